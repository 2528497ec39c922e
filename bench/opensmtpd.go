package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// opensmtpdConf raises what would hold OpenSMTPD back.
const opensmtpdConf = `smtp limit max-rcpt 1000
smtp limit max-mails 1000000
smtp max-message-size "50M"
mta limit max-conn-per-host 20
mta limit max-conn-per-route 20
mta limit max-conn-per-connector 20
mta limit max-conn-per-relay 100
mta limit max-conn-per-domain 100
mta limit session-mail-max 10000
`

func startOpenSMTPD(ctx context.Context, s setup) (*server, error) {
	switch {
	case s.dkim != 0:
		return nil, fmt.Errorf("%w: it signs only with a filter of others", errLeftOut)
	case s.domains > 0:
		return nil, fmt.Errorf("%w: it asks only the name servers of the machine", errLeftOut)
	case s.tls:
		return nil, fmt.Errorf("%w: its handshake fails with a certificate for ECDSA", errLeftOut)
	case s.delay > 0:
		return nil, fmt.Errorf("%w: its processes drop the library that delays syncs", errLeftOut)
	case s.deferrals > 0:
		return nil, fmt.Errorf("%w: its pauses between attempts cannot be set", errLeftOut)
	}
	relay := "smtp+notls"
	if s.tlsOut {
		relay = "smtp"
	}
	conf := opensmtpdConf + "listen on 127.0.0.1 port 25 hostname bench.example.com\naction \"out\" relay host " + relay + "://127.0.0.1:" + s.port() + "\nmatch from any for any action \"out\"\n"
	o, err := mta.StartOpenSMTPD(ctx, mta.OpenSMTPDOptions{Conf: conf, CA: s.shared.cert})
	if err != nil {
		return nil, err
	}
	// It resets some connections, and never answers others.
	return &server{addr: o.Addr, pids: []int{o.PID()},
		settings: conf, patience: 3 * time.Second, log: o.LogFile(), stop: o.Stop}, nil
}
