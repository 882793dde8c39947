//! A guide per mail program: words, and a drawing of where to click. Drawn by us and schematic on purpose: programs move
//! their buttons, and their makers' marks are theirs.

mod drawing;

use askama::filters::Safe;

use crate::texts::Texts;
use drawing::{Control, Drawing, Keeping};

/// How to do it with one program.
pub(super) struct Guide {
    pub(super) program: &'static str,
    pub(super) steps: [Step; 3],
}

pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) drawing: Safe<String>,
}

/// Getting a certificate looks the same everywhere: ask for it, prove the mailbox, keep the file.
pub(super) fn getting(t: Texts) -> [(&'static str, Safe<String>); 3] {
    [
        (t.getting_1(), drawing::order(t.getting_order()).safe()),
        (t.getting_2(), drawing::prove(t.getting_prove()).safe()),
        (t.getting_3(), drawing::file(t.getting_file()).safe()),
    ]
}

pub(super) fn guides(t: Texts) -> Vec<Guide> {
    let guide = |program, texts: [&'static str; 3], drawings: [Drawing; 3]| {
        let titles = [t.guide_install(), t.guide_store(), t.guide_send()];
        let mut steps = titles.into_iter().zip(texts).zip(drawings);
        let steps = [(); 3].map(|()| steps.next());
        let steps = steps.map(|step| match step {
            Some(((title, text), drawing)) => Step { title, text, drawing: drawing.safe() },
            None => Step { title: "", text: "", drawing: Safe(String::new()) },
        });
        Guide { program, steps }
    };
    let (encrypt, sign) = (t.word_encrypt(), t.word_sign());
    vec![
        guide(
            "Outlook (classic)",
            [t.outlook_classic_install(), t.outlook_classic_store(), t.outlook_classic_send()],
            [
                drawing::settings(t.classic_path(), t.classic_row(), Control::Button(t.classic_button())),
                drawing::keep(Keeping::Menu(t.classic_menu())),
                drawing::write(t.word_options(), &[encrypt, sign]),
            ],
        ),
        guide(
            "Outlook (new)",
            [t.outlook_new_install(), t.outlook_new_store(), t.outlook_new_send()],
            [
                drawing::settings(t.new_path(), "S/MIME", Control::Choice(t.word_certificate())),
                drawing::keep(Keeping::Menu(t.new_menu())),
                drawing::write(t.word_options(), &[t.new_encrypt()]),
            ],
        ),
        guide(
            "Outlook (iOS, Android)",
            [t.outlook_mobile_install(), t.outlook_mobile_store(), t.outlook_mobile_send()],
            [
                drawing::phone_settings(t.mobile_path(), "S/MIME"),
                drawing::phone_keep(t.mobile_menu()),
                drawing::phone_write(&[t.mobile_send()]),
            ],
        ),
        guide(
            "Thunderbird",
            [t.thunderbird_install(), t.thunderbird_store(), t.thunderbird_send()],
            [
                drawing::settings(t.bird_path(), t.bird_row(), Control::Button(t.bird_button())),
                drawing::keep(Keeping::ByItself(t.word_kept())),
                drawing::write(t.bird_menu(), &[encrypt, t.bird_sign()]),
            ],
        ),
        guide(
            "Apple Mail (macOS)",
            [t.apple_mac_install(), t.apple_mac_store(), t.apple_mac_send()],
            [
                drawing::settings(t.mac_path(), t.mac_row(), Control::File(t.mac_file())),
                drawing::keep(Keeping::ByItself(t.word_kept())),
                drawing::write(t.subject(), &[encrypt, sign]),
            ],
        ),
        guide(
            "Apple Mail (iPhone, iPad)",
            [t.apple_ios_install(), t.apple_ios_store(), t.apple_ios_send()],
            [
                drawing::phone_settings(t.ios_path(), "S/MIME"),
                drawing::phone_keep(t.ios_menu()),
                drawing::phone_write(&[encrypt]),
            ],
        ),
        guide(
            "Evolution, KMail, mutt",
            [t.linux_install(), t.linux_store(), t.linux_send()],
            [
                drawing::settings(t.linux_path(), t.linux_row(), Control::Button(t.word_import())),
                drawing::keep(Keeping::ByItself(t.word_kept())),
                drawing::write(t.word_options(), &[t.linux_encrypt()]),
            ],
        ),
        guide(
            "Gmail",
            [t.gmail_install(), t.gmail_store(), t.gmail_send()],
            [
                drawing::settings(t.gmail_path(), t.gmail_row(), Control::Button(t.gmail_button())),
                drawing::keep(Keeping::ByItself(t.word_kept())),
                drawing::write(t.to(), &[t.gmail_lock()]),
            ],
        ),
    ]
}
