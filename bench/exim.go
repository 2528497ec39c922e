package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/sesame-mta/sesame/internal/mta"
)

// eximMain takes away what would hold Exim back: it delivers at once, each message
// by a process of its own, and counts neither connections nor load.
const eximMain = `smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_accept_queue = 0
smtp_connect_backlog = 1000
remote_max_parallel = 1
message_size_limit = 50M
acl_smtp_rcpt = accept
acl_smtp_data = accept
acl_smtp_predata = accept
`

func startExim(ctx context.Context, s setup) (*server, error) {
	if s.deferrals > 0 {
		return nil, fmt.Errorf("%w: its queue is run by the clock, by the minute at best", errLeftOut)
	}
	env, syncs, err := s.shared.watch(s.delay)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	main := eximMain
	if s.accept {
		main += "queue_only = true\n" // else each message is a process that waits
	}
	if s.tls {
		text, err := s.shared.pair()
		if err != nil {
			return nil, err
		}
		files["tls.pem"] = text
		main += "tls_advertise_hosts = *\ntls_certificate = $dir/tls.pem\ntls_privatekey = $dir/tls.pem\n"
	} else {
		main += "tls_advertise_hosts =\n"
	}
	router := "begin routers\nout:\n driver = manualroute\n transport = out\n self = send\n host_find_failed = defer\n"
	if s.domains > 0 {
		var table strings.Builder
		for i := range s.domains {
			fmt.Fprintf(&table, "%s: %s\n", domain(i), address(i))
		}
		files["routes"] = table.String()
		router += " route_data = ${lookup{$domain}lsearch{$dir/routes}}\n"
	} else {
		router += " route_list = * 127.0.0.1\n"
	}
	transport := "begin transports\nout:\n driver = smtp\n port = " + s.port() + "\n allow_localhost\n"
	if !s.tlsOut {
		transport += " hosts_avoid_tls = *\n"
	}
	if s.dkim != 0 {
		selectors, err := eximKeys(s.dkim, files)
		if err != nil {
			return nil, err
		}
		transport += " dkim_domain = example.com\n dkim_selector = " + selectors + "\n dkim_private_key = $dir/$dkim_selector.pem\n dkim_canon = relaxed\n"
	}
	conf := main + "\n" + router + "\n" + transport + "\nbegin retry\n* * F,1d,1s\n\nbegin authenticators\nplain:\n driver = plaintext\n public_name = PLAIN\n server_condition = true\n"
	e, err := mta.StartEximServer(ctx, conf, files, env)
	if err != nil {
		return nil, err
	}
	srv := &server{addr: e.Addr, pids: []int{e.PID()}, user: "bench", password: "bench", syncs: syncs, settings: conf, stop: e.Stop}
	if s.accept {
		srv.release = func(ctx context.Context) error { return e.RunQueue(ctx, 8) }
	}
	return srv, nil
}

// eximKeys writes a key for each signature, and gives their selectors as a list.
func eximKeys(s signing, files map[string]string) (string, error) {
	var selectors []string
	if s != signEd25519 {
		key, err := rsaKey()
		if err != nil {
			return "", err
		}
		files["r.pem"] = key
		selectors = append(selectors, "r")
	}
	if s != signRSA {
		key, err := ed25519Key()
		if err != nil {
			return "", err
		}
		files["e.pem"] = key
		selectors = append(selectors, "e")
	}
	return strings.Join(selectors, ":"), nil
}
