package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/internal/mta"
)

// postfixMain makes the Debian Postfix as fast as it will be while it stays
// durable: enough processes and connections for every client of the run, kept
// connections on both sides, no look-ups, no waiting for slow arrivals, no log
// (there is no syslogd where this runs).
const postfixMain = `
default_process_limit = %d
default_destination_concurrency_limit = 20
initial_destination_concurrency = 20
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = 0
max_use = 10000
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
local_header_rewrite_clients =
smtp_dns_support_level = disabled
disable_dns_lookups = yes
`

func startPostfix(ctx context.Context, s setup) (*server, error) {
	o := mta.PostfixOptions{Hostname: "bench.example.com", Quiet: true, Files: map[string]string{}}
	main := fmt.Sprintf(postfixMain, max(200, s.connections+100))
	srv := &server{}
	var closers []func()
	srv.stop = func() {
		for _, f := range closers {
			f()
		}
	}
	var err error
	if o.Env, srv.syncs, err = s.shared.watch(s.delay); err != nil {
		return nil, err
	}
	if s.domains > 0 {
		var table strings.Builder
		for i := range s.domains {
			fmt.Fprintf(&table, "%s smtp:[%s]:%s\n", domain(i), address(i), s.port())
		}
		o.Files["transport"] = table.String()
		o.Postmap = []string{"transport"}
		main += "transport_maps = hash:$config_directory/transport\n"
	} else {
		main += "relayhost = [127.0.0.1]:" + s.port() + "\n"
	}
	if s.tls {
		a, err := startApprover()
		if err != nil {
			return nil, err
		}
		closers = append(closers, a.close)
		main += fmt.Sprintf("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n"+
			"smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:%s\n", s.shared.cert, s.shared.key, a.l.Addr())
		srv.user, srv.password = "bench", "bench"
	} else {
		main += "smtpd_tls_security_level = none\n"
	}
	main += map[bool]string{true: "smtp_tls_security_level = may\n", false: "smtp_tls_security_level = none\n"}[s.tlsOut]
	if s.deferrals > 0 {
		main += "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n"
	}
	milters, err := s.milters(ctx, srv, &closers)
	if err != nil {
		srv.stop()
		return nil, err
	}
	o.Main = main + milters + s.more
	srv.settings = o.Main
	p, err := mta.StartPostfix(ctx, o)
	if err != nil {
		srv.stop()
		return nil, err
	}
	// Postfix first: it must not see its helpers go.
	closers = append([]func(){p.Stop}, closers...)
	srv.addr, srv.pids = p.Addr, append(srv.pids, p.PID())
	return srv, nil
}

// milters starts an opendkim for each signature.
func (s setup) milters(ctx context.Context, srv *server, closers *[]func()) (string, error) {
	var names []string
	sign := func(algorithm string, key func() (string, error)) error {
		text, err := key()
		if err != nil {
			return err
		}
		d, err := mta.StartOpenDKIM(ctx, "example.com", algorithm, text)
		if err != nil {
			return err
		}
		*closers = append(*closers, d.Stop)
		srv.pids = append(srv.pids, d.PID())
		names = append(names, d.Milter)
		return nil
	}
	if s.dkim == signRSA || s.dkim == signBoth {
		if err := sign("rsa-sha256", rsaKey); err != nil {
			return "", err
		}
	}
	if s.dkim == signEd25519 || s.dkim == signBoth {
		if err := sign("ed25519-sha256", ed25519Key); err != nil {
			return "", err
		}
	}
	if names == nil {
		return "", nil
	}
	return "smtpd_milters = " + strings.Join(names, ", ") + "\n", nil
}
