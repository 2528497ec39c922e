package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
	"github.com/sesame-mta/sesame/internal/testdns"
)

// sesameConfig is all that the measurements set. What is not here is as shipped;
// durability has no switch. Like the peers here, it writes no line for a message.
const sesameConfig = `hostname = "bench.example.com"
data_dir = %q
sandbox = false

[listen]
starttls         = [%q]
implicit_tls     = []
trusted_networks = ["127.0.0.0/8"]
admin            = %q
metrics          = %q
api              = "http://%s"

[limits]
connections             = 20000
connections_per_ip      = 20000
messages_per_connection = 1000000
idle_timeout            = "1h"

[delivery]
allow_networks          = ["127.0.0.0/8"]
per_destination         = %d
messages_per_connection = 10000
%s

[log]
level = "warn"
`

// sesame is one sesame with its files, which can be stopped and started again.
type sesame struct {
	binary, dir, file, addr, metrics, api string
	env                                   []string
	process                               *mta.Process
}

// sesameOptions say how one sesame differs from the plain one.
type sesameOptions struct {
	binary string
	// delivery is more lines for the end of [delivery], and tables after it.
	delivery string
	perSite  int // connections to a site; 100 when zero
	env      []string
	// identity is how the sender's domain is added; without a DKIM key when empty.
	identity []string
	stdin    string // for that
}

// newSesame starts a sesame on a fresh data directory with example.com verified.
func newSesame(ctx context.Context, o sesameOptions) (*sesame, error) {
	dir, err := os.MkdirTemp("", "sesame-bench-")
	if err != nil {
		return nil, err
	}
	s := &sesame{binary: o.binary, dir: dir, file: filepath.Join(dir, "sesame.toml"), env: o.env}
	for _, addr := range []*string{&s.addr, &s.metrics, &s.api} {
		port, err := mta.FreePort()
		if err != nil {
			return nil, err
		}
		*addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	text := fmt.Sprintf(sesameConfig, s.data(), s.addr, filepath.Join(dir, "admin.sock"), s.metrics, s.api, cmp.Or(o.perSite, 100), o.delivery)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.remove()
		return nil, err
	}
	args := o.identity
	if args == nil {
		args = []string{"--no-dkim"}
	}
	args = append([]string{"identity", "add", "example.com", "--account", "default", "--verified"}, args...)
	if _, err := s.command(ctx, o.stdin, args...); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// data is the data directory.
func (s *sesame) data() string { return filepath.Join(s.dir, "data") }

// command runs one of the operator's commands and gives what it printed.
func (s *sesame) command(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, append(args, "--config", s.file)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = exit.Stderr
		}
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// start returns when the server greets.
func (s *sesame) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.binary, "serve", "--config", s.file)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), s.env...)
	if s.process, err = mta.Start(cmd); err != nil {
		return err
	}
	// A long queue may take longer than WaitGreeting waits.
	for range 12 {
		err = mta.WaitGreeting(ctx, s.addr, s.process.Done)
		if err == nil || ctx.Err() != nil || s.ended() {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("start sesame: %w\n%s", err, mta.Tail(log.Name(), 20))
	}
	return nil
}

func (s *sesame) ended() bool {
	select {
	case <-s.process.Done:
		return true
	default:
		return false
	}
}

func (s *sesame) stop() { s.process.Stop(25 * time.Second) }

// remove stops the server and removes its files.
func (s *sesame) remove() {
	if s.process != nil {
		s.stop()
	}
	_ = os.RemoveAll(s.dir) // a left-over is no result
}

// largeContent is above what sesame keeps in its journal: such content has a file,
// which is synced, and a name, which is.
const largeContent = 256 << 10

// syncs counts by the metrics: one for a group commit, two for a checkpoint, and
// those of large content.
func (s *sesame) syncs(size int) (int64, error) {
	m, err := metrics(s.metrics)
	if err != nil {
		return 0, err
	}
	n := m["sesame_store_commit_seconds_count"] + 2*m["sesame_store_checkpoint_seconds_count"]
	if size > largeContent {
		n += m["sesame_store_commit_seconds_count"] + m[`sesame_store_appends_total{result="ok"}`]
	}
	return int64(n), nil
}

// startSesame starts one for a row.
func startSesame(ctx context.Context, s setup) (*server, error) {
	o := sesameOptions{binary: s.binary, delivery: fmt.Sprintf("smarthost = %q\n", s.host)}
	closer := func() {}
	if s.domains > 0 {
		dns, err := testdns.Start(zone(s.domains))
		if err != nil {
			return nil, err
		}
		closer = dns.Close
		o.delivery = fmt.Sprintf("port = %s\n\n[dns]\nresolvers = [%q]\n", s.port(), dns.Addr)
	} else if s.deferrals > 0 {
		o.delivery += "retry = [\"1s\"]\n"
	}
	o.delivery += fmt.Sprintf("\n[tls]\ncertificate = %q\nkey = %q\n", s.shared.cert, s.shared.key)
	if s.delay > 0 {
		// bbolt syncs twice in a checkpoint.
		o.env = []string{fmt.Sprintf("SESAME_FAILPOINTS=batch.commit=delay:%s,checkpoint.write=delay:%s", s.delay, 2*s.delay)}
	}
	switch s.dkim {
	case signRSA:
		o.identity = []string{}
	case signBoth:
		o.identity = []string{"--ed25519"}
	case signEd25519:
		o.identity = []string{"--dkim-selector", "s1", "--dkim-key-stdin"}
		key, err := ed25519Key()
		if err != nil {
			return nil, err
		}
		o.stdin = key
	}
	srv, err := newSesame(ctx, o)
	if err != nil {
		closer()
		return nil, err
	}
	started := &server{addr: srv.addr, pids: []int{srv.process.PID()}, settings: fmt.Sprintf(sesameConfig, "...", "...", "...", "...", "...", 100, settings(o.delivery)),
		syncs: func() (int64, error) { return srv.syncs(s.size) },
		stop:  func() { srv.remove(); closer() }}
	if s.tls {
		login, err := srv.credential(ctx, "default")
		if err != nil {
			started.stop()
			return nil, err
		}
		started.user, started.password = login.User, login.Password
	}
	return started, nil
}

// settings leaves out what differs from run to run.
func settings(text string) string {
	text, _, _ = strings.Cut(text, "\n[tls]")
	return text
}

// credential makes one.
func (s *sesame) credential(ctx context.Context, account string) (login struct {
	User     string `json:"username"`
	Password string `json:"password"`
	KeyID    string `json:"access_key_id"`
	Secret   string `json:"secret_access_key"`
}, err error) {
	out, err := s.command(ctx, "", "credential", "create", "--account", account, "--json")
	if err != nil {
		return login, err
	}
	return login, json.Unmarshal(out, &login)
}

// zone gives n destinations with a host and an address each.
func zone(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s MX 10 mx.%s\nmx.%s A %s\n", domain(i), domain(i), domain(i), address(i))
	}
	return b.String()
}

func ed25519Key() (string, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}
