package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

func Example() {
	mx, err := testmx.New(testmx.Options{StartTLS: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mx.Close()
	carrier, err := delivery.New(delivery.Options{
		Hostname:      "mta.example.com",
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = carrier.Close(context.Background()) }()

	bob, _ := mail.ParseForwardPath("bob@example.org")
	body := []byte("Hello, Bob.\r\n")
	outcomes := carrier.Carry(context.Background(), &route.Route{
		Domain: "example.org", Site: "mx.example.org",
		Hosts: []route.Host{{Name: "mx.example.org", Addr: mx.Addr().Addr(), Port: mx.Addr().Port()}},
	}, &delivery.Job{
		To:     []mail.ForwardPath{bob},
		Header: []byte("Subject: hello\r\n\r\n"), Content: bytes.NewReader(body), Size: int64(len(body)),
	})
	for _, o := range outcomes {
		fmt.Println(o.Result, o.Host, o.TLS, &o.Reply)
	}
	// Output: delivered mx.example.org TLSv1.3 250 2.0.0 Ok
}
