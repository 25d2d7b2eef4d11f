//! Writes a word backwards: GET /WORD.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn answer(mut client: TcpStream) -> Result<()> {
    let mut request = Vec::new();
    for line in BufReader::new(&client).lines() {
        match line? {
            end if end.is_empty() => break,
            line => request.push(line),
        }
    }
    let path = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let backwards: String = path.trim_start_matches('/').chars().rev().collect();
    write!(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{backwards}\n")
}

fn main() -> Result<()> {
    for client in TcpListener::bind("0.0.0.0:8000")?.incoming() {
        let client = client?;
        thread::spawn(move || answer(client));
    }
    Ok(())
}
