//! `yinxin seal-admin picture`: tries the face of a seal, or a picture that shall become one. Offline; nothing is kept.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::limits::SEAL_PICTURE_BYTES;
use crate::cli::console::{Console, error_line};
use crate::cli::exit::Outcome;
use crate::cli::files::write_new;
use crate::config::faces;
use crate::service::pictures::{FaceTexts, InkChoice, PictureError, PictureForm, Trust, drawn, face, taken};

/// Try how the face of a seal looks, or how a picture of one is redrawn
///
/// Needs no installation. What it draws is a specimen: it carries 样章. Size and shape are those of the type and rank
/// (policies/faces.toml). Exit code 0 done, 4 refused, 64 usage, 66 unreadable file, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The type of the seal: 01 to 08, 99
    #[arg(long = "type", value_name = "CODE")]
    seal_type: String,
    /// The rank of the organisation, or the form, where the table has rows for it
    #[arg(long, value_name = "RANK")]
    rank: Option<String>,
    /// The organisation's or the person's name
    #[arg(long, value_name = "TEXT", required_unless_present = "upload", conflicts_with = "upload")]
    name: Option<String>,
    /// A level line; given more than once, each of them, from the top
    #[arg(long, value_name = "TEXT", conflicts_with = "upload")]
    line: Vec<String>,
    /// The taxpayer's number of an oval seal
    #[arg(long, value_name = "NUMBER", conflicts_with = "upload")]
    tax_number: Option<String>,
    /// The code of the seal, 14 digits
    #[arg(long, value_name = "DIGITS", conflicts_with = "upload")]
    code: Option<String>,
    /// A note on the inner lower arc of a round seal
    #[arg(long, value_name = "TEXT", conflicts_with = "upload")]
    note: Option<String>,
    /// A picture of the seal (PNG, JPEG, GIF, BMP), judged and redrawn
    #[arg(long, value_name = "FILE")]
    upload: Option<PathBuf>,
    /// Redraw a picture of another ink in red
    #[arg(long, requires = "upload")]
    recolour: bool,
    /// Where the picture goes: FILE.svg, FILE.png or FILE.ofd; an upload gives FILE.png
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let ending = arguments.out.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let form = match (ending.as_deref(), &arguments.upload) {
        (Some("png"), _) => PictureForm::Png,
        (Some("svg"), None) => PictureForm::Svg,
        (Some("ofd"), None) => PictureForm::Ofd,
        _ => {
            console.complain("error: the picture is FILE.svg, FILE.png or FILE.ofd, of an upload FILE.png (usage)");
            return Outcome::Usage;
        }
    };
    let table = match faces::built_in() {
        Ok(table) => table,
        Err(error) => {
            console.complain(&error_line(&error, error.code()));
            return Outcome::Internal;
        }
    };
    let rule = match table.rule(&arguments.seal_type, arguments.rank.as_deref()) {
        Ok(rule) => rule,
        Err(error) => {
            console.complain(&error_line(&error, error.code()));
            return Outcome::Refused;
        }
    };
    let made: Result<Vec<u8>, PictureError> = if let Some(path) = &arguments.upload {
        let file = match read(path) {
            Ok(file) => file,
            Err(error) => {
                console.complain(&error_line(&error, "file-unreadable"));
                return Outcome::Unreadable;
            }
        };
        let ink = if arguments.recolour { InkChoice::Recolour } else { InkChoice::MustBeRed };
        taken(&file, rule, ink, Trust::Development).map(|picture| picture.png)
    } else {
        let texts = FaceTexts {
            name: arguments.name.as_deref().unwrap_or_default(),
            lines: &arguments.line,
            tax_number: arguments.tax_number.as_deref(),
            code: arguments.code.as_deref(),
            note: arguments.note.as_deref(),
        };
        face(rule, texts).and_then(|face| drawn(&face, Trust::Development, form))
    };
    let picture = match made {
        Ok(picture) => picture,
        Err(error) => {
            console.complain(&error_line(&error, error.code()));
            return Outcome::Refused;
        }
    };
    if let Err(error) = write_new(&arguments.out, &picture) {
        console.complain(&error.line());
        return Outcome::Internal;
    }
    console.print(&format!("{} × {} mm, {} bytes\n", rule.width_mm, rule.height_mm, picture.len()));
    Outcome::Passed
}

/// A file, one byte beyond the limit at most: then the reader of pictures refuses it.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let most = u64::try_from(SEAL_PICTURE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut file = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut file)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(out: &Path) -> Arguments {
        Arguments {
            seal_type: "02".to_owned(),
            rank: None,
            name: Some("示例市印信演示局".to_owned()),
            line: Vec::new(),
            tax_number: None,
            code: None,
            note: None,
            upload: None,
            recolour: false,
            out: out.to_owned(),
        }
    }

    fn outcome(arguments: &Arguments) -> Outcome {
        run(arguments, &mut Console::new(Box::new(std::io::sink()), Box::new(std::io::sink()), false))
    }

    #[test]
    fn a_face_is_drawn_and_read_back_as_a_picture_of_the_seal() {
        let folder = std::env::temp_dir().join(format!("yinxin-picture-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |name| folder.join(name);
        assert_eq!(outcome(&arguments(&path("face.svg"))), Outcome::Passed);
        assert!(fs::read_to_string(path("face.svg")).unwrap().contains("width=\"38mm\""));
        assert_eq!(outcome(&arguments(&path("face.ofd"))), Outcome::Passed);
        assert_eq!(outcome(&arguments(&path("face.png"))), Outcome::Passed);
        let upload = |out| Arguments { name: None, upload: Some(path("face.png")), ..arguments(&path(out)) };
        assert_eq!(outcome(&upload("again.png")), Outcome::Passed);
        assert_eq!(outcome(&upload("again.svg")), Outcome::Usage);
        assert_eq!(outcome(&Arguments { seal_type: "98".to_owned(), ..arguments(&path("x.png")) }), Outcome::Refused);
        let absent = Arguments { upload: Some(path("absent.png")), ..upload("y.png") };
        assert_eq!(outcome(&absent), Outcome::Unreadable);
        let rare = Arguments { name: Some("示例龘局".to_owned()), ..arguments(&path("z.png")) };
        assert_eq!(outcome(&rare), Outcome::Refused);
        assert!(!path("z.png").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
