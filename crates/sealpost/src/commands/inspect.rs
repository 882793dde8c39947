use serde_json::{Map, Value};
use smime::{Limits, Node};

use crate::cli::Inspect;
use crate::files;
use crate::outcome::Stop;

pub(crate) fn run(inspect: &Inspect) -> Result<(), Stop> {
    let bytes = files::read(&inspect.input)?;
    let limits = Limits::in_folder(std::env::temp_dir());
    let tree = smime::inspect(&bytes, &limits).map_err(|error| match error {
        smime::Error::Unrecognised => Stop::refused(error).hint("certificates are shown by: sealpost cert show"),
        error => Stop::failed(format_args!("cannot read {}: {error}", inspect.input.display())),
    })?;
    if inspect.json {
        println!("{}", to_json(&tree));
    } else {
        print(&tree, 0);
    }
    Ok(())
}

fn print(node: &Node, depth: usize) {
    let clean = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let indent = "  ".repeat(depth);
    println!("{indent}{}", clean(&node.kind));
    for (name, value) in &node.facts {
        println!("{indent}  {name}: {}", clean(value));
    }
    node.children.iter().for_each(|child| print(child, depth + 1));
}

fn to_json(node: &Node) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), node.kind.clone().into());
    // A fact that is there several times, such as a recipient, is a list.
    for (name, value) in &node.facts {
        let key = name.replace(' ', "_").replace(['(', ')'], "");
        match object.get_mut(&key) {
            Some(Value::Array(list)) => list.push(value.clone().into()),
            Some(existing) => *existing = Value::Array(vec![existing.take(), value.clone().into()]),
            None => drop(object.insert(key, value.clone().into())),
        }
    }
    object.insert("children".into(), node.children.iter().map(to_json).collect());
    Value::Object(object)
}
