package smtpd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	netsmtp "net/smtp"
	"time"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// shelf is a desk that prints what it takes.
type shelf struct{ minter *mail.Minter }

func (shelf) Room(context.Context, mail.ReversePath, int64) error { return nil }

func (s shelf) Submit(_ context.Context, r *submission.Request) (mail.ID, error) {
	body, err := io.ReadAll(r.Content)
	if err != nil {
		return mail.ID{}, err
	}
	fmt.Printf("%s, with %s: %s to %s, %d octets\n", r.Principal.Name, r.Origin.Protocol, r.From, r.To[0], len(body))
	return s.minter.New(time.Now()), nil
}

// A Postfix on the same machine hands over its mail without TLS and AUTH, as a
// trusted network.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	minter, err := mail.NewMinter([]byte("a key that is secret and stays"), 0, 1)
	if err != nil {
		panic(err)
	}
	server, err := smtpd.New(smtpd.Options{
		Hostname:         "mx.example.org",
		Starttls:         []net.Listener{listener},
		Trusted:          []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		TrustedPrincipal: &auth.Principal{Account: "000000000001", Name: "default"},
		Auth:             users{},
		Desk:             shelf{minter},
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.Serve(ctx) }()

	err = netsmtp.SendMail(listener.Addr().String(), nil, "news@example.org", []string{"ann@example.net"},
		[]byte("Subject: hello\r\n\r\nHello, Ann.\r\n"))
	fmt.Println(err)

	stop()
	fmt.Println(<-served)
	// Output:
	// default, with ESMTP: news@example.org to ann@example.net, 31 octets
	// <nil>
	// <nil>
}
