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

// sesameConfig is all that the comparison sets. What is not here is as shipped;
// durability has no switch.
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
smarthost               = %q
allow_networks          = ["127.0.0.0/8"]
per_destination         = 100
messages_per_connection = 10000

[log]
level = "warn"
`

// startSesame starts binary on a fresh data directory.
func startSesame(ctx context.Context, binary, sinkAddr string) (*server, error) {
	dir, err := os.MkdirTemp("", "sesame-bench-")
	if err != nil {
		return nil, err
	}
	port, err := mta.FreePort()
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(dir, "sesame.toml")
	text := fmt.Sprintf(sesameConfig, filepath.Join(dir, "data"), addr, filepath.Join(dir, "admin.sock"), sinkAddr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(binary, "serve", "--config", file)
	cmd.Stdout, cmd.Stderr = log, log
	process, err := mta.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &server{name: "sesame", addr: addr, pid: process.PID(), stop: func() {
		process.Stop(25 * time.Second)
		_ = os.RemoveAll(dir) // a left-over is no result
	}}
	if err := prepareSesame(ctx, binary, file, addr, process.Done); err != nil {
		err = fmt.Errorf("start sesame: %w\n%s", err, mta.Tail(log.Name(), 20))
		s.stop()
		return nil, err
	}
	return s, nil
}

// prepareSesame waits for the greeting and verifies the sender's domain, without
// a DKIM key: Postfix does not sign either.
func prepareSesame(ctx context.Context, binary, file, addr string, done <-chan struct{}) error {
	if err := mta.WaitGreeting(ctx, addr, done); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "identity", "add", "example.com", "--account", "default",
		"--verified", "--no-dkim", "--config", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("identity add: %w: %s", err, out)
	}
	return nil
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
