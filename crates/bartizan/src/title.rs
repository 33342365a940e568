//! What the process is shown as (`proc-title-template`, spec §1.3).

use bartizan_conf::TitlePlace;

use crate::config::Config;
use crate::start::shown_port;

/// What the process is to be shown as, if that is not the command line. Nothing for a file that
/// can be read only once, as a pipe can: a title costs a second start.
pub(crate) fn title(config: &Config, name: &str) -> Option<String> {
    let server = &config.loaded.server;
    if !server.set_proc_title || !config.path.is_file() {
        return None;
    }
    let socket = server.unixsocket.as_deref().unwrap_or_default();
    let title = server.proc_title_template.fill(|place| match place {
        TitlePlace::Name => name.to_owned(),
        TitlePlace::ListenAddress => match shown_port(server) {
            0 => format!("unixsocket:{socket}"),
            port => format!("{}:{port}", server.bind.first().map_or("*", String::as_str)),
        },
        TitlePlace::Mode => "[sentinel]".to_owned(),
        TitlePlace::Port => server.port.to_string(),
        TitlePlace::TlsPort => server.tls.port.to_string(),
        TitlePlace::UnixSocket => socket.to_owned(),
        TitlePlace::ConfigFile => config.path.display().to_string(),
    });
    (!title.is_empty()).then_some(title)
}
