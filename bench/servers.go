package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// server is one mail server under measurement. All it takes it relays to the
// sink, in clear text on both legs.
type server struct {
	name string
	addr string
	pid  int
	stop func()
}

// sesameConfig is all that the measurements set. What is not here is as shipped;
// durability has no switch. Like Postfix here, it writes no line for a message.
const sesameConfig = `hostname = "bench.example.com"
data_dir = %q

[listen]
starttls         = [%q]
implicit_tls     = []
trusted_networks = ["127.0.0.0/8"]
admin            = %q
metrics          = ""

[limits]
connections_per_ip      = 2000
messages_per_connection = 1000000

[delivery]
allow_networks          = ["127.0.0.0/8"]
per_destination         = 100
messages_per_connection = 10000
%s

[log]
level = "warn"
`

// sesame is one sesame with its files, which can be stopped and started again.
type sesame struct {
	binary, dir, file, addr string
	process                 *mta.Process
}

// newSesame starts binary on a fresh data directory, with more lines for the end
// of [delivery], and verifies the sender's domain, without a DKIM key: Postfix
// does not sign either.
func newSesame(ctx context.Context, binary, delivery string) (*sesame, error) {
	dir, err := os.MkdirTemp("", "sesame-bench-")
	if err != nil {
		return nil, err
	}
	port, err := mta.FreePort()
	if err != nil {
		return nil, err
	}
	s := &sesame{binary: binary, dir: dir, file: filepath.Join(dir, "sesame.toml"),
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	text := fmt.Sprintf(sesameConfig, filepath.Join(dir, "data"), s.addr, filepath.Join(dir, "admin.sock"), delivery)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.remove()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "identity", "add", "example.com", "--account", "default",
		"--verified", "--no-dkim", "--config", s.file).CombinedOutput()
	if err != nil {
		s.remove()
		return nil, fmt.Errorf("identity add: %w: %s", err, out)
	}
	return s, nil
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
	if s.process, err = mta.Start(cmd); err != nil {
		return err
	}
	if err := mta.WaitGreeting(ctx, s.addr, s.process.Done); err != nil {
		return fmt.Errorf("start sesame: %w\n%s", err, mta.Tail(log.Name(), 20))
	}
	return nil
}

func (s *sesame) stop() { s.process.Stop(25 * time.Second) }

// remove stops the server and removes its files.
func (s *sesame) remove() {
	if s.process != nil {
		s.stop()
	}
	_ = os.RemoveAll(s.dir) // a left-over is no result
}

// postfixMain makes the Debian Postfix as fast as it will be while it stays
// durable: enough processes and connections for every client of the run, kept
// connections on both sides, no look-ups, no waiting for slow arrivals, no log
// (there is no syslogd where this runs).
const postfixMain = `
relayhost = [127.0.0.1]:%s
default_process_limit = 200
default_destination_concurrency_limit = 20
initial_destination_concurrency = 20
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = 0
max_use = 10000
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
local_header_rewrite_clients =
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtp_dns_support_level = disabled
disable_dns_lookups = yes
`

func startPostfix(ctx context.Context, sinkAddr, more string) (*server, error) {
	_, port, err := net.SplitHostPort(sinkAddr)
	if err != nil {
		return nil, err
	}
	p, err := mta.StartPostfix(ctx, mta.PostfixOptions{
		Hostname: "bench.example.com",
		Main:     fmt.Sprintf(postfixMain, port) + more,
		Quiet:    true,
	})
	if err != nil {
		return nil, err
	}
	return &server{name: "postfix", addr: p.Addr, pid: p.PID(), stop: p.Stop}, nil
}
