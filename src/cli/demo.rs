//! `wicketgate demo`: everything on this machine, offline, in a private directory that is removed
//! at the end: a bookshop API with a secret, a gateway in front of it, a license, and one real call.

pub mod tour;
pub mod upstream;

use std::{
    fs::{self, DirBuilder},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;

use self::upstream::Bookshop;
use crate::{
    cli::{
        failure::Failure,
        key,
        license::{issue, recipes::Connector},
        new_file,
        open::{ACTOR, Desk},
        serve::{self, StartError},
    },
    crypto::LicenseKey,
    entropy::Entropy,
    ids::LicenseId,
    license::{License, LicenseStatus, Overrides},
    names::NameError,
    secret::{Secret, SecretString},
};

const CONFIG: &str = include_str!("demo/wicketgate.yaml");

/// The port that documentation and recipes show.
const USUAL_PORT: u16 = 8080;

/// How often free addresses are looked for: another program may take one meanwhile.
const MOST_TRIES: u32 = 5;

/// Try it: a sample API, a gateway in front of it, a license, and one call shown step by step
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The MCP port on loopback. Default: 8080, or a free one when that is taken
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Stop after the shown call
    #[arg(long)]
    once: bool,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: &DemoArgs) -> Result<(), Failure> {
    // From here on a signal is remembered until the demo can clean up after itself.
    let mut signals = serve::Signals::listen()?;
    let mut tries = 1;
    let (stage, running) = loop {
        let stage = Stage::set(desk, args.port).await?;
        match serve::start(&stage.desk, &serve::AccessRecords::Nowhere).await {
            Ok(running) => break (stage, running),
            // Found free, and taken since; perhaps free again by now.
            Err(StartError::AddressTaken(_)) if args.port.is_none() && tries < MOST_TRIES => {
                tries += 1;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let told = tell(&stage, running.public).await;
    if told.is_ok() && !args.once {
        stage.desk.output.note("\nServing until Ctrl-C.");
        signals.one().await;
    }
    running.stop().await;
    told
}

/// Everything but the running gateway.
struct Stage {
    home: Home,
    shop: Bookshop,
    desk: Desk,
    key: LicenseKey,
}

impl Stage {
    async fn set(desk: &Desk, port: Option<u16>) -> Result<Self, Failure> {
        let home = Home::make(&*desk.entropy)?;
        let secret = random_text(&*desk.entropy);
        let shop = Bookshop::open(Secret::new(secret.expose().clone()))
            .await
            .map_err(|error| no_address(&error))?;
        let desk = desk.elsewhere(home.0.join("wicketgate.yaml"));
        write_configuration(&desk, &home, &shop, port)?;
        let key = issue_license(&desk, &secret).await?;
        Ok(Self {
            home,
            shop,
            desk,
            key,
        })
    }
}

/// Makes the shown call and prints it with what can be pasted into clients.
async fn tell(stage: &Stage, gateway: SocketAddr) -> Result<(), Failure> {
    let Stage {
        home,
        shop,
        desk,
        key,
        ..
    } = stage;
    let tour = tour::take(shop, gateway, key).await?;
    let url = format!("http://{gateway}/mcp");
    let connector = Connector::signing_in(url.clone()).handed_over(key.expose());
    desk.output.show(
        &json!({
            "directory": home.0,
            "connector_url": url,
            "key": key.expose(),
            "tour": tour,
        }),
        format_args!(
            "The demo lives in {} until it stops.\n\n{tour}\n\n\
             Connect a client of yours:\n\nlicense key   {}\n{connector}",
            home.0.display(),
            key.expose(),
        ),
    );
    Ok(())
}

/// A private directory that is removed with everything in it.
struct Home(PathBuf);

impl Home {
    fn make(entropy: &dyn Entropy) -> Result<Self, Failure> {
        let mut random = [0; 8];
        entropy.fill(&mut random);
        let path =
            std::env::temp_dir().join(format!("wicketgate-demo-{}", HEXLOWER.encode(&random)));
        // Never into a directory that somebody else has put there.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| new_file::cannot(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed stays in a directory that only this user can read.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_configuration(
    desk: &Desk,
    home: &Home,
    shop: &Bookshop,
    port: Option<u16>,
) -> Result<(), Failure> {
    let public = match port {
        Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        None => free_address(USUAL_PORT)?,
    };
    let admin = free_address(0)?;
    let data = home.0.join("data");
    DirBuilder::new()
        .mode(0o700)
        .create(&data)
        .map_err(|error| new_file::cannot(&data, &error))?;
    let text = CONFIG
        .replace("@PUBLIC@", &public.to_string())
        .replace("@ADMIN@", &admin.to_string())
        .replace("@UPSTREAM@", &shop.address.to_string());
    new_file::create(
        &data.join("master.key"),
        0o600,
        key::key_file_text(desk).expose(),
    )?;
    new_file::create(&desk.config, 0o600, &text)
}

/// Stores the upstream's secret and issues a license, as an operator would.
async fn issue_license(desk: &Desk, secret: &SecretString) -> Result<LicenseKey, Failure> {
    let opened = desk.open().await?;
    let name = |error: NameError| Failure::failed(error);
    opened
        .vault
        .put(
            crate::store::Tenant::Operator,
            &"bookshop".parse().map_err(name)?,
            secret,
            ACTOR,
        )
        .await?;
    let now = desk.clock.now();
    let license = License {
        id: LicenseId::generate(now, &*desk.entropy),
        name: "Demo customer".to_owned(),
        plan: "demo".parse().map_err(name)?,
        tools: None,
        overrides: Overrides::default(),
        status: LicenseStatus::Active,
        created: now,
        expires: None,
    };
    let key = LicenseKey::generate(&*desk.entropy);
    issue::add(desk, &opened, &license, &key).await?;
    opened.store.close().await;
    Ok(key)
}

/// This loopback port, or another when it is taken. Somebody may take it before the gateway does.
fn free_address(port: u16) -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| no_address(&error))
}

fn no_address(error: &io::Error) -> Failure {
    Failure::failed(format_args!("cannot listen on loopback: {error}"))
}

fn random_text(entropy: &dyn Entropy) -> SecretString {
    let mut random = [0; 24];
    entropy.fill(&mut random);
    Secret::new(HEXLOWER.encode(&random))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::entropy::OsEntropy;

    #[test]
    fn the_home_is_private_and_goes_away() {
        let home = Home::make(&OsEntropy).unwrap();
        let path = home.0.clone();
        fs::write(path.join("file"), "x").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_address(port).unwrap().port(), port);
    }
}
