//! The table itself: it can be read, and its own notation does what it says.

use std::collections::HashSet;

use memlink_conversations::{Match, Release, Scene, Template};

#[test]
fn every_conversation_has_a_name_of_its_own_and_says_something() {
    let all = memlink_conversations::all().expect("the table can be read");
    let mut names = HashSet::new();
    for conversation in &all {
        assert!(names.insert(&conversation.name), "{} stands twice: {}", conversation.name, conversation.place);
        assert!(!conversation.steps.is_empty(), "{} says nothing: {}", conversation.name, conversation.place);
        assert!(conversation.name.contains(": "), "{} names no subject: {}", conversation.name, conversation.place);
    }
    println!("{} conversations", all.len());
}

#[test]
fn gaps_are_filled_and_read() {
    let cases: &[(&str, &[u8], Match)] = &[
        ("HD\\r\\n", b"HD\r\n", Match::Whole(4)),
        ("HD\\r\\n", b"HD\r", Match::More),
        ("HD\\r\\n", b"HX\r\n", Match::Differs(1)),
        ("HD c<cas>\\r", b"HD c12\r", Match::Whole(7)),
        ("HD c<cas>\\r", b"HD c12", Match::More),
        ("HD c<cas>\\r", b"HD cx\r", Match::Differs(4)),
        ("<a> <a+1>\\r", b"7 8\r", Match::Whole(4)),
        ("<a+1> <a>\\r", b"8 7\r", Match::Whole(4)),
        ("<a> <a+1>\\r", b"7 9\r", Match::Differs(2)),
        ("t<~60>\\r", b"t59\r", Match::Whole(4)),
        ("t<~60>\\r", b"t90\r", Match::Differs(1)),
        ("<now-5>\\r", b"96\r", Match::Whole(3)),
        ("<x*3>!", b"xxx!", Match::Whole(4)),
        ("<x*3>!", b"xx", Match::More),
        ("<x*3>!", b"xxy!", Match::Differs(2)),
        ("a<...>END", b"a, b, END", Match::Whole(9)),
        ("a<...>END", b"a, b, EN", Match::More),
        ("<word> x", b"a-b x", Match::Whole(5)),
        ("<version>\\r", b"1.6.45\r", Match::Whole(7)),
        ("\\<a\\x41\\0\\s", b"<aA\0 ", Match::Whole(5)),
    ];
    for (text, input, wanted) in cases {
        let template = Template::parse(text).expect("it can be read");
        let mut scene = Scene::new(100, "1.6.45");
        assert_eq!(template.compare(input, &mut scene), *wanted, "{text}");
    }
    let mut scene = Scene::new(100, "1.6.45");
    let template = Template::parse("c<a> <a+1> <b> <~60> <now+1> <x*3> <word><...> <version>").expect("it can be read");
    assert!(template.fill(&scene).is_err());
    assert_eq!(template.play(&mut scene), b"c1000 1001 2000 60 101 xxx 7 1.6.45");
    assert_eq!(template.fill(&scene).expect("all is named now"), b"c1000 1001 2000 60 101 xxx 7 1.6.45");
    for wrong in ["<", "<A>", "<xx*3>", "\\y", "<~x>", "<a+b>"] {
        assert!(Template::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let wrong =
        ["> mg k\n", "== a: b\n< HD\n", "== a: b\n? x\n", "== a: b\n@ 1.6.3\n", "== a: b\n+ k\n", "== a: b\n~ x\n"];
    for text in wrong {
        let said = memlink_conversations::parse("x.txt", text).expect_err("it is wrong");
        assert!(said.starts_with("x.txt:"), "{said}");
    }
}

#[test]
fn a_version_has_the_answers_of_its_release() {
    let cases = [
        ("1.6.18", Some(Release::V1_6_18)),
        ("1.6.17", None),
        ("1.6.40", None),
        ("1.6.45", Some(Release::V1_6_45)),
        ("1.6.46", Some(Release::V1_6_45)),
        ("1.5.22", None),
    ];
    for (text, release) in cases {
        assert_eq!(Release::of_version(text), release, "{text}");
    }
}
