//! Between a corpus as text, which is kept, and as a folder of files, which libFuzzer reads and writes.
//!
//! ```text
//! cargo run -p memlink-fuzz --example corpus -- unpack replies FOLDER
//! cargo run -p memlink-fuzz --example corpus -- pack replies FOLDER      replaces the text
//! cargo run -p memlink-fuzz --example corpus -- show FILE                an input as a line
//! ```

use std::error::Error;
use std::path::Path;

use memlink_fuzz::corpus;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", target, folder] => unpack(target, Path::new(folder)),
        ["pack", target, folder] => pack(target, Path::new(folder)),
        ["show", file] => {
            println!("{}", corpus::escape(&std::fs::read(file)?));
            Ok(())
        }
        _ => Err("unpack TARGET FOLDER, pack TARGET FOLDER or show FILE".into()),
    }
}

fn unpack(target: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    for (number, input) in corpus::read(target)?.iter().enumerate() {
        std::fs::write(folder.join(format!("kept-{number:04}")), input)?;
    }
    Ok(())
}

/// Short inputs first; the same inputs make the same text.
fn pack(target: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let files = std::fs::read_dir(folder)?.map(|entry| std::fs::read(entry?.path()));
    let mut inputs = files.collect::<Result<Vec<Vec<u8>>, _>>()?;
    inputs.sort_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
    inputs.dedup();
    std::fs::write(corpus::folder().join(format!("{target}.txt")), corpus::write(target, &inputs))?;
    Ok(())
}
