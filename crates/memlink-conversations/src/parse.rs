use crate::{Conversation, Holds, Line, Release, Startup, Step, Talk, Template};

/// Reads one file of the table; `docs/conversations.md` describes the format.
///
/// # Errors
///
/// What is wrong with the text, and where.
pub fn parse(file: &str, text: &str) -> Result<Vec<Conversation>, String> {
    let mut all: Vec<Conversation> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("== ") {
            all.push(new(name, place));
            continue;
        }
        let conversation = all.last_mut().ok_or_else(|| format!("{place}: a line in front of the first name"))?;
        read_line(conversation, line).map_err(|wrong| format!("{place}: {wrong}"))?;
    }
    Ok(all)
}

fn new(name: &str, place: String) -> Conversation {
    Conversation {
        name: name.to_owned(),
        place,
        holds: Holds::For(Release::ALL.to_vec()),
        startup: Vec::new(),
        not_embedded: None,
        steps: Vec::new(),
    }
}

fn read_line(conversation: &mut Conversation, line: &str) -> Result<(), String> {
    let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
    let (kind, release) = match mark.get(1..) {
        Some("18") => (mark.get(..1), Some(Release::V1_6_18)),
        Some("45") => (mark.get(..1), Some(Release::V1_6_45)),
        _ => (Some(mark), None),
    };
    match kind {
        Some("@") => attribute(conversation, text),
        Some("+") => {
            conversation.steps.push(Step::Talk(stored(text)?));
            Ok(())
        }
        Some(">") => {
            let line = Line { release, text: bytes(text)? };
            asking(conversation)?.request.push(line);
            Ok(())
        }
        Some("<") => {
            let line = Line { release, text: bytes(text)? };
            talk(conversation)?.reply.push(line);
            Ok(())
        }
        Some("=") => {
            let line = Line { release, text: Template::parse(text)? };
            talk(conversation)?.meaning.push(line);
            Ok(())
        }
        Some("~") => {
            conversation.steps.push(Step::Wait(text.parse().map_err(|_| format!("no seconds: {text}"))?));
            Ok(())
        }
        Some("!") if text == "closed" => {
            conversation.steps.push(Step::Closed);
            Ok(())
        }
        _ => Err(format!("neither of > < = + ~ ! @ ==: {line}")),
    }
}

/// A line with its line end, unless `\c` at its end says that it has none.
fn bytes(text: &str) -> Result<Template, String> {
    match text.strip_suffix("\\c") {
        Some(text) => Template::parse(text),
        None => Ok(Template::parse(text)?.with_line_end()),
    }
}

/// The step that a request belongs to: requests are gathered until something else is said.
fn asking(conversation: &mut Conversation) -> Result<&mut Talk, String> {
    let steps = &mut conversation.steps;
    let is_asking = matches!(steps.last(), Some(Step::Talk(talk)) if talk.reply.is_empty() && talk.meaning.is_empty());
    if !is_asking {
        steps.push(Step::Talk(Talk::default()));
    }
    talk(conversation)
}

fn talk(conversation: &mut Conversation) -> Result<&mut Talk, String> {
    match conversation.steps.last_mut() {
        Some(Step::Talk(talk)) => Ok(talk),
        _ => Err("an answer to nothing".to_owned()),
    }
}

/// `+ key value flag*`: an item is stored, so that the conversation can begin. A flag `c<name>` names its CAS id.
fn stored(text: &str) -> Result<Talk, String> {
    let mut words = text.split(' ');
    let (Some(key), Some(value)) = (words.next(), words.next()) else {
        return Err("an item needs a key and a value".to_owned());
    };
    let value = Template::parse(value)?;
    let (mut request, mut reply, mut meaning) = (String::new(), "HD".to_owned(), "stored".to_owned());
    for flag in words {
        match flag.strip_prefix('c').filter(|name| !name.is_empty()) {
            Some(name) => {
                request.push_str(" c");
                reply.push_str(&format!(" c{name}"));
                meaning.push_str(&format!(" cas={name}"));
            }
            None => request.push_str(&format!(" {flag}")),
        }
    }
    let head = Template::parse(&format!("ms {key} {}{request}", value.len_min()))?.with_line_end();
    let line = |text| vec![Line { release: None, text }];
    Ok(Talk {
        request: line(Template::join([&head, &value.with_line_end()])),
        reply: line(Template::parse(&reply)?.with_line_end()),
        meaning: line(Template::parse(&meaning)?),
    })
}

fn attribute(conversation: &mut Conversation, text: &str) -> Result<(), String> {
    if let Some(why) = text.strip_prefix("not embedded: ") {
        conversation.not_embedded = Some(why.to_owned());
    } else if let Some(version) = text.strip_prefix("elsewhere ") {
        conversation.holds = Holds::Elsewhere(version.to_owned());
    } else if let Some(release) = Release::ALL.into_iter().find(|release| release.text() == text) {
        conversation.holds = Holds::For(vec![release]);
    } else if text == "started with -F" {
        conversation.startup.push(Startup::NoFlush);
    } else if let Some(len) = text.strip_prefix("started with -I ") {
        conversation.startup.push(Startup::ItemBytesMax(len.parse().map_err(|_| format!("no length: {len}"))?));
    } else {
        return Err(format!("an unknown attribute: {text}"));
    }
    Ok(())
}
