//! The icons, drawn for this project on a grid of 24: strokes only, in the colour of the text.

use askama::filters::Safe;

macro_rules! icons {
    ($($name:ident = $paths:literal;)*) => {
        $(
            pub(crate) fn $name() -> Safe<&'static str> {
                Safe(concat!(
                    "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\">",
                    $paths,
                    "</svg>"
                ))
            }
        )*
    };
}

icons! {
    alert = "<path d='M12 4 2.8 19.5h18.4Z'/><path d='M12 10v4.5M12 17v.2'/>";
    arrow = "<path d='M5 12h14m-5.5-5.5L19 12l-5.5 5.5'/>";
    book = "<path d='M12 6.5C10 5 7 4.5 3.5 4.5v14c3.5 0 6.500.5 8.500 2 2-1.500 5-2 8.500-2v-14c-3.500 0-6.500.5-8.500 2Zm0 0v14'/>";
    board = "<rect x='3.500' y='4.500' width='17' height='15' rx='2'/><path d='M8 9h8M8 12.500h8M8 16h4'/>";
    building = "<path d='M4.500 20V6l7.500-2.500L19.500 6v14M2.500 20h19M9 9.500h1.500m3 0H15M9 13h1.500m3 0H15M10.500 20v-3.500h3V20'/>";
    chart = "<path d='M4 4v16h16M8.500 16v-4M13 16V8M17.500 16v-6'/>";
    check = "<path d='m4.500 12.500 5 5L20 7'/>";
    clock = "<circle cx='12' cy='12' r='8.500'/><path d='M12 7v5l3.500 2'/>";
    cross = "<path d='m6 6 12 12M18 6 6 18'/>";
    download = "<path d='M12 4v11m-4.500-4 4.500 4.500L16.500 11M4.500 19.500h15'/>";
    globe = "<circle cx='12' cy='12' r='8.500'/><path d='M3.500 12h17M12 3.500c5 5.500 5 11.500 0 17-5-5.500-5-11.500 0-17Z'/>";
    info = "<circle cx='12' cy='12' r='8.500'/><path d='M12 11v5.500M12 7.700v.2'/>";
    key = "<circle cx='8' cy='15.500' r='4.500'/><path d='m11.200 12.300 8.300-8.300M16 7.500l3 3'/>";
    leave = "<path d='M14 4.500H6v15h8M10.500 12H21m-3.500-3.500L21 12l-3.500 3.500'/>";
    lock = "<rect x='5' y='10.500' width='14' height='10' rx='2'/><path d='M8 10.500V8a4 4 0 0 1 8 0v2.500M12 14.500v2'/>";
    mail = "<rect x='3' y='5.500' width='18' height='13.500' rx='2'/><path d='m3.500 7 8.500 6.500L20.500 7'/>";
    people = "<circle cx='9' cy='8.500' r='3.500'/><path d='M2.500 19.500c.5-4 3-6 6.500-6s6 2 6.500 6M15.500 5.300a3.500 3.500 0 0 1 0 6.400M18 14.200c2 .8 3.200 2.600 3.500 5.300'/>";
    pen = "<path d='m4 20 1-4.500L16.500 4l3.500 3.500L8.500 19ZM14 6.500l3.500 3.500'/>";
    reply = "<path d='M9 6.5 3.500 12 9 17.500M4 12h9c4 0 7 2.500 7.500 6.500'/>";
    person = "<circle cx='12' cy='8' r='4'/><path d='M4.500 20c.5-4.500 3.500-6.500 7.500-6.500s7 2 7.500 6.500'/>";
    route = "<circle cx='6' cy='18' r='2.500'/><circle cx='18' cy='6' r='2.500'/><path d='M8.500 18H15a3 3 0 0 0 0-6H9a3 3 0 0 1 0-6h6.500'/>";
    seal = "<path d='m12 2.800 2.300 1.900 3-.2.900 2.900 2.500 1.600-1 2.900 1 2.800-2.500 1.700-.9 2.800-3-.1L12 21l-2.300-1.900-3 .1-.9-2.800-2.500-1.700 1-2.800-1-2.900 2.500-1.600.9-2.900 3 .2Z'/><path d='m8.500 12 2.500 2.500 4.500-5'/>";
    shield = "<path d='M12 3.500 4.500 6v5.500c0 4.500 3 7.500 7.500 9 4.500-1.500 7.500-4.500 7.500-9V6Z'/><path d='m8.800 12 2.300 2.300 4.100-4.600'/>";
    sliders = "<path d='M4 7.500h9m4 0h3M4 16.500h3m4 0h9'/><circle cx='15' cy='7.500' r='2'/><circle cx='9' cy='16.500' r='2'/>";
    upload = "<path d='M12 16V5m-4.500 4L12 4.500 16.500 9M4.500 19.500h15'/>";
}
