package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/delivery/capture"
	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// DevDomain is the verified identity of a developer's server.
const DevDomain = "example.com"

// DevOptions is how a developer's server is started.
type DevOptions struct {
	State      string // directory of its own
	Host       string // address to listen on; empty is 127.0.0.1
	PortOffset int    // added to every port
	Deliver    bool   // send mail to the outside instead of capturing it
	Log        *slog.Logger
	Version    string
}

// Dev is a server for a developer's machine, with what there is to know of it.
type Dev struct {
	*Daemon
	Credential DevCredential
	CAFile     string
	Inbox      string
}

// DevCredential is what credentials.json holds.
type DevCredential struct {
	Username        string `json:"username"`
	Password        string `json:"password"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// NewDev makes a developer's server: everything lies under o.State and is used
// again at the next start.
func NewDev(ctx context.Context, o DevOptions) (*Dev, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	state, err := filepath.Abs(o.State)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	dev := &Dev{CAFile: filepath.Join(state, "ca.pem"), Inbox: filepath.Join(state, "inbox")}
	if err := devCertificates(state, o.Host); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	file := filepath.Join(state, "sesame.toml")
	if err := atomicfile.Write(file, devConfig(o, state), 0o600); err != nil {
		return nil, err
	}
	cfg, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	do := Options{Config: cfg, Log: o.Log, Version: o.Version}
	if !o.Deliver {
		if do.Carrier, err = capture.New(dev.Inbox); err != nil {
			return nil, err
		}
	}
	if dev.Daemon, err = New(ctx, do); err != nil {
		return nil, err
	}
	if err := dev.setUp(ctx, state); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return dev, nil
}

// setUp makes the identity and the credential, where they are not there yet.
func (d *Dev) setUp(ctx context.Context, state string) error {
	_, err := d.identities.Add(ctx, account.DefaultID, DevDomain, identity.AddOptions{Verified: true, DKIM: true})
	if err != nil && !errors.Is(err, account.ErrExists) {
		return err
	}
	file := filepath.Join(state, "credentials.json")
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &d.Credential)
		if err != nil {
			return fmt.Errorf("credentials.json: %w", err)
		}
		if _, _, err := d.accounts.Verify(d.Credential.Username, d.Credential.Password); err == nil {
			return nil
		}
		// Revoked, or of another spool: a new one takes its place.
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, secret, password, err := d.accounts.CreateCredential(ctx, account.DefaultName)
	if err != nil {
		return err
	}
	d.Credential = DevCredential{c.AccessKeyID, password, c.AccessKeyID, secret}
	text, err = json.MarshalIndent(d.Credential, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(file, append(text, '\n'), 0o600)
}

// devPorts are the ports of a developer's server; those below 1024 only where
// they can be bound.
var devPorts = struct{ starttls, implicit []int }{[]int{2587, 587, 25}, []int{2465, 465}}

// devPublic is the port of the pages that mail of ours links to.
const devPublic = 8025

// devConfig writes the configuration file. It goes through the same reader as an
// operator's.
func devConfig(o DevOptions, state string) []byte {
	list := func(ports []int) []string {
		var out []string
		for _, p := range ports {
			addr := net.JoinHostPort(o.Host, strconv.Itoa(p+o.PortOffset))
			if p > 1024 || free(addr) {
				out = append(out, addr)
			}
		}
		return out
	}
	// Links in mail go to a page of ours, unless something else has the port.
	public, service := net.JoinHostPort(o.Host, strconv.Itoa(devPublic+o.PortOffset)), ""
	if free(public) {
		service = fmt.Sprintf("\n[service]\npublic_url = %q\n", "http://"+public)
	} else {
		public = ""
	}
	api := devAPI(o)
	q := func(v any) string {
		b, _ := json.Marshal(v) // strings and lists of strings: TOML reads them alike
		return string(b)
	}
	return fmt.Appendf(nil, `# Written by "sesame dev" at each start; changes do not last.
hostname = "localhost.localdomain"
data_dir = %s

[listen]
starttls     = %s
implicit_tls = %s
admin        = %s
metrics      = ""
public       = %s
api          = %s

[tls]
certificate = "cert.pem"
key         = "cert.key"

# Programs under test are on this machine.
[events]
file_dir       = %s
allow_networks = ["127.0.0.0/8", "::1/128"]
%s`, q(filepath.Join(state, "data")), q(list(devPorts.starttls)), q(list(devPorts.implicit)), q(filepath.Join(state, "admin.sock")), q(public), q(api), q(filepath.Join(state, "events")), service)
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// devCertificates makes the CA once, and the certificate for host and localhost.
func devCertificates(state, host string) error {
	ca, caKey := filepath.Join(state, "ca.pem"), filepath.Join(state, "ca.key")
	if _, err := os.Stat(ca); errors.Is(err, fs.ErrNotExist) {
		if err := writePair(ca, caKey, issue{hosts: []string{"sesame dev CA"}, days: 3650, isCA: true}); err != nil {
			return err
		}
	}
	parent, err := tls.LoadX509KeyPair(ca, caKey)
	if err != nil {
		return err
	}
	hosts := []string{"localhost", "localhost.localdomain", "127.0.0.1", "::1"}
	if host != "127.0.0.1" && host != "::1" {
		hosts = append(hosts, host)
	}
	return writePair(filepath.Join(state, "cert.pem"), filepath.Join(state, "cert.key"),
		issue{hosts: hosts, days: 365, parent: &parent})
}

// DevMail is one captured message as people want to see it.
type DevMail struct {
	capture.Mail
	Subject string `json:"subject"`
}

// DevInbox lists what was captured in dir, newest first.
func DevInbox(dir string) ([]DevMail, error) {
	mails, err := capture.List(dir)
	if err != nil {
		return nil, err
	}
	out := make([]DevMail, len(mails))
	for i, m := range mails {
		out[i] = DevMail{Mail: m, Subject: subject(filepath.Join(dir, m.File))}
	}
	return out, nil
}

// subject reads the Subject of a file; empty when there is none to be read.
func subject(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	m, err := netmail.ReadMessage(io.LimitReader(f, 1<<20))
	if err != nil {
		return ""
	}
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return m.Header.Get("Subject")
	}
	return text
}
