package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is the whole file. The comment of each field is its row in
// docs/configuration.md. Paths are absolute after Load.
type Config struct {
	// The full name of this host: banner, EHLO, Received, Reporting-MTA.
	Hostname string `toml:"hostname"`
	// A label of your own in error texts, ids and the derivation of SMTP passwords. Changing it makes all SMTP passwords invalid.
	Region string `toml:"region"`
	// Where everything is kept: the spool, the books, keys. Made at the first start, mode 0700.
	DataDir string `toml:"data_dir"`
	// How the server behaves where good sense and Amazon SES differ: `default` or `ses`. See docs/ses-differences.md.
	Profile string `toml:"profile"`
	// Whether accounts begin in the sandbox: few recipients, and verified ones only. `sesame account production` lifts one out of it.
	Sandbox bool `toml:"sandbox"`
	// The user to become after the ports are bound, when started as root. Empty: stay as started.
	User string `toml:"user"`

	Listen      Listen      `toml:"listen"`
	TLS         TLS         `toml:"tls"`
	Limits      Limits      `toml:"limits"`
	DNS         DNS         `toml:"dns"`
	Delivery    Delivery    `toml:"delivery"`
	Sources     []Source    `toml:"source"`
	Service     Service     `toml:"service"`
	Scan        Scan        `toml:"scan"`
	Events      Events      `toml:"events"`
	Feedback    Feedback    `toml:"feedback"`
	Trace       Trace       `toml:"trace"`
	Suppression Suppression `toml:"suppression"`
	API         API         `toml:"api"`
	Log         Log         `toml:"log"`
}

// Listen is where and for whom the server listens.
type Listen struct {
	// Addresses that speak SMTP in clear until STARTTLS.
	STARTTLS []string `toml:"starttls"`
	// Addresses that speak TLS from the first octet.
	ImplicitTLS []string `toml:"implicit_tls"`
	// Networks whose clients may send on the `starttls` addresses without TLS and AUTH, like Postfix's mynetworks.
	TrustedNetworks []netip.Prefix `toml:"trusted_networks"`
	// Those of the `starttls` addresses, usually `:25`, that also take what comes back for mail: bounces, complaints and automatic answers, from anybody. With it and `[service] domain` set, mail leaves under reverse-paths of our own, to which bounces return.
	Feedback []string `toml:"feedback"`
	// The account in whose name clients in `trusted_networks` send.
	TrustedAccount string `toml:"trusted_account"`
	// The Unix socket, mode 0600, on which the operator's commands reach the server.
	Admin string `toml:"admin"`
	// The address that serves /metrics (Prometheus), /healthz and /readyz over HTTP. Empty: none.
	Metrics string `toml:"metrics"`
	// Where the HTTP API of Amazon SES is served, such as `https://127.0.0.1:8443`, with the certificate of `[tls]`; `http://` only on a loopback address. Empty: none.
	API string `toml:"api"`
	// The address that serves the pages for recipients over HTTP, such as `127.0.0.1:8080`, for a web server with TLS before it. Empty: none.
	Public string `toml:"public"`
}

// TLS is the certificate shown to clients.
type TLS struct {
	// PEM file with the certificate and its chain; read again on SIGHUP and when it changes. Empty: a self-signed certificate is made under `data_dir`.
	Certificate string `toml:"certificate"`
	// PEM file with the certificate's private key.
	Key string `toml:"key"`
	// The oldest version of TLS that clients may use: `1.0`, `1.1`, `1.2` or `1.3`.
	MinVersion string `toml:"min_version"`
}

// Limits is what the clients may ask for.
type Limits struct {
	// The largest message, in octets.
	MessageBytes int64 `toml:"message_bytes"`
	// The most recipients of one message.
	Recipients int `toml:"recipients"`
	// The most MIME parts of a message, counted only in the profile `ses`, which looks at the names of attachments.
	MIMEParts int `toml:"mime_parts"`
	// The longest line of a message, in octets without its end.
	LineLength int `toml:"line_length"`
	// The most connections at a time.
	Connections int `toml:"connections"`
	// The most connections at a time from one address.
	ConnectionsPerIP int `toml:"connections_per_ip"`
	// The most messages in one connection.
	MessagesPerConnection int `toml:"messages_per_connection"`
	// How long an authenticated client may be silent.
	IdleTimeout time.Duration `toml:"idle_timeout"`
	// Take mail that comes faster than its account's rate and send it when the rate allows, up to an hour later, instead of refusing it with 454. An account may say otherwise.
	QueueOnThrottle bool `toml:"queue_on_throttle"`
	// The recipients a second that credentials with a SigV2 password, from before 2019, may send to, all of an account together. 0: no limit but the account's.
	SigV2Rate int `toml:"sigv2_rate"`
}

// DNS is whom to ask.
type DNS struct {
	// Name servers, as `address` or `address:port`. Empty: those of /etc/resolv.conf. One on this machine that validates DNSSEC is best.
	Resolvers []string `toml:"resolvers"`
}

// Delivery is how mail leaves.
type Delivery struct {
	// The port of the remote hosts.
	Port int `toml:"port"`
	// A host, as `host:port`, that takes all mail instead of the recipients' own. It may have any address.
	Smarthost string `toml:"smarthost"`
	// TLS towards the smarthost: `opportunistic`, `starttls` (or not at all), `tls` (from the first octet) or `none`.
	SmarthostTLS string `toml:"smarthost_tls"`
	// User name for the smarthost. It needs `smarthost_tls` to be `starttls` or `tls`.
	SmarthostUser string `toml:"smarthost_user"`
	// Password for the smarthost. The configuration file may then not be readable by everyone.
	SmarthostPassword string `toml:"smarthost_password"`
	// A file that holds the password for the smarthost, instead of `smarthost_password`.
	SmarthostPasswordFile string `toml:"smarthost_password_file"`
	// Loopback, private and other special networks that mail may be delivered to, such as `10.0.0.0/8`, as hosts of a domain or as address literals.
	AllowNetworks []netip.Prefix `toml:"allow_networks"`
	// How long to try before a message is given up.
	MaxAge time.Duration `toml:"max_age"`
	// The pauses between attempts, with jitter; the last repeats.
	Retry []time.Duration `toml:"retry"`
	// The most attempts at a time.
	Concurrency int `toml:"concurrency"`
	// The most connections to one MX site at a time.
	PerDestination int `toml:"per_destination"`
	// The most messages in one connection.
	MessagesPerConnection int `toml:"messages_per_connection"`
	// The oldest version of TLS that counts as TLS towards remote hosts; one that cannot do it is sent to in clear, unless the message asked for TLS.
	TLSMinVersion string `toml:"tls_min_version"`
	// Send 8-bit content to hosts that do not offer 8BITMIME, too, instead of failing with 5.6.3.
	Send8BitAnyway bool `toml:"send_8bit_anyway"`
	// Show the address of the client in the Received field.
	ShowClientAddress bool `toml:"show_client_address"`
}

// Source is an address to send from. Without one the kernel chooses.
type Source struct {
	// The name of the source, in logs and commands.
	Name string `toml:"name"`
	// The local address to send from. IPv6 is used only from such an address.
	Address netip.Addr `toml:"address"`
	// The name to give in EHLO, which should be that of the address. Empty: `hostname`.
	EHLO string `toml:"ehlo"`
	// The pool of sources that this one belongs to.
	Pool string `toml:"pool"`
}

// Service is what faces the recipients.
type Service struct {
	// The domain in envelope senders, message ids and bounce mail of our own; once set, it also signs all mail beside its sender. Empty: `hostname`.
	Domain string `toml:"domain"`
	// The host that the MX records of MAIL FROM domains name. Empty: `hostname`.
	FeedbackHost string `toml:"feedback_host"`
	// The person who reads mail to postmaster@ and abuse@ of the service domain that is no report, outside of that domain. Empty: such mail is refused.
	Postmaster string `toml:"postmaster"`
	// Where people reach the `public` address, without a path, such as `https://mail.example.com`. Needed for the links that verify addresses.
	PublicURL string `toml:"public_url"`
	// The domain of the mailbox simulator, beside `simulator.amazonses.com`. Empty: `simulator.` before `domain`.
	SimulatorDomain string `toml:"simulator_domain"`
}

// Scan is who looks at accepted mail before it leaves.
type Scan struct {
	// The clamd that looks for viruses, as `unix:/run/clamav/clamd.ctl` or `host:port`. Mail waits while it does not answer. Empty: none.
	Clamd string `toml:"clamd"`
	// How long it may take for one message.
	Timeout time.Duration `toml:"timeout"`
}

// Events is how destinations are told what became of mail.
type Events struct {
	// The folder below which the files of destinations lie. Empty: no destination is a file.
	FileDir string `toml:"file_dir"`
	// The size in octets at which a file of events is put aside and another begun. 0: never.
	FileRotateBytes int64 `toml:"file_rotate_bytes"`
	// The age at which a file of events is put aside and another begun. `0s`: never.
	FileRotateEvery time.Duration `toml:"file_rotate_every"`
	// How long the oldest event may wait for a destination that takes none. After that it is parked: what waits is kept for `sesame destination replay`, new events are not.
	ParkAfter time.Duration `toml:"park_after"`
	// How long events are kept after they were told, about 100,000 for each destination, for `sesame destination replay` from a point. `0s`: not at all.
	KeepFor time.Duration `toml:"keep_for"`
	// Loopback, private and other special networks that webhooks may be sent to, such as `10.0.0.0/8`.
	AllowNetworks []netip.Prefix `toml:"allow_networks"`
}

// Feedback is what comes back for mail that has left.
type Feedback struct {
	// Whose complaints count: domains of feedback loops, or addresses where a domain has other users too. A report must come from there and be signed for it (DKIM). See docs/howto/feedback.md.
	Providers []string `toml:"providers"`
	// How long after acceptance a record of each message is kept, without content, once its recipients are final, so that what comes back finds its account, its recipients and its events. Hosts send bounces for up to five days; complaints and wishes to leave a list take weeks. What comes later counts for nothing. `0s`: nothing is kept.
	KeepFor time.Duration `toml:"keep_for"`
	// How many octets those records may take under `data_dir`, some 300 for a message and one or two thousand more with events; the oldest goes first.
	KeepBytes int64 `toml:"keep_bytes"`
}

// Trace is what is kept of the life of each message, for `sesame trace`: envelopes, rules, dialogues, no content.
type Trace struct {
	// How long it is kept. `"0"`: nothing is recorded.
	Keep time.Duration `toml:"keep"`
	// How many octets it may take under `data_dir`; the oldest goes first.
	MaxBytes int64 `toml:"max_bytes"`
}

// Suppression is who is not written to.
type Suppression struct {
	// Keep a list of the addresses that bounced for good in the last 14 days, whichever account wrote to them. It keeps accounts whose own suppression list is off from writing to them.
	Installation bool `toml:"installation"`
}

// API is what the HTTP API may do beside calls.
type API struct {
	// The folder with a folder for each account, named by its id, from which the account imports addresses into its suppression list (CreateImportJob, with `file:` and the name of a file in the place of an S3 address). Empty: none does.
	ImportDir string `toml:"import_dir"`
}

// Log is what the server writes to standard error.
type Log struct {
	// `text` or `json`.
	Format string `toml:"format"`
	// The least level that is written: `debug`, `info`, `warn` or `error`.
	Level slog.Level `toml:"level"`
}

// The profiles.
const (
	ProfileDefault = "default"
	ProfileSES     = "ses"
)

// How a smarthost is spoken to.
const (
	TLSOpportunistic = "opportunistic"
	TLSStart         = "starttls"
	TLSImplicit      = "tls"
	TLSNone          = "none"
)

// Default gives the configuration of a file that has hostname alone.
func Default(hostname string) *Config {
	return &Config{
		Hostname: hostname,
		Region:   "local-1",
		DataDir:  "/var/lib/sesame",
		Profile:  ProfileDefault,
		Sandbox:  true,
		Listen: Listen{
			STARTTLS:       []string{":25", ":587", ":2587"},
			ImplicitTLS:    []string{":465", ":2465"},
			TrustedAccount: "default",
			Admin:          "/run/sesame/admin.sock",
			Metrics:        "127.0.0.1:9090",
		},
		TLS: TLS{MinVersion: "1.2"},
		Limits: Limits{
			MessageBytes:          41943040,
			Recipients:            50,
			MIMEParts:             500,
			LineLength:            65536,
			Connections:           2000,
			ConnectionsPerIP:      200,
			MessagesPerConnection: 1000,
			IdleTimeout:           5 * time.Minute, // RFC 5321 section 4.5.3.2.7
			SigV2Rate:             5,
		},
		Delivery: Delivery{
			Port:         25,
			SmarthostTLS: TLSOpportunistic,
			MaxAge:       96 * time.Hour, // RFC 5321 section 4.5.4.1
			Retry: []time.Duration{
				time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
				time.Hour, 2 * time.Hour, 4 * time.Hour,
			},
			Concurrency:           500,
			PerDestination:        20,
			MessagesPerConnection: 100,
			TLSMinVersion:         "1.2",
		},
		Scan: Scan{Timeout: time.Minute},
		Events: Events{
			FileRotateBytes: 104857600,
			FileRotateEvery: 24 * time.Hour,
			ParkAfter:       72 * time.Hour,
			KeepFor:         24 * time.Hour,
		},
		Feedback:    Feedback{Providers: providers(), KeepFor: 30 * 24 * time.Hour, KeepBytes: 1 << 30},
		Trace:       Trace{Keep: 30 * 24 * time.Hour, MaxBytes: 1 << 30},
		Suppression: Suppression{Installation: true},
		Log:         Log{Format: "text", Level: slog.LevelInfo},
	}
}

// Strict gives the defaults of profile "ses", which differ where SES does.
func Strict(hostname string) *Config {
	c := Default(hostname)
	c.Profile = ProfileSES
	c.Limits.LineLength = 1000
	c.Limits.IdleTimeout = 10 * time.Second
	c.Delivery.MaxAge = 14 * time.Hour
	return c
}

// newSource gives the defaults of one [[source]] table.
func newSource(c *Config) Source { return Source{EHLO: c.Hostname, Pool: "default"} }
