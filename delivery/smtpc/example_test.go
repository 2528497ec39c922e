package smtpc_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
)

func Example() {
	mx, err := testmx.New(testmx.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mx.Close()
	conn, err := net.Dial("tcp", mx.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	c := smtpc.New(conn, smtpc.Options{Hostname: "mta.example.com"})
	defer c.Quit(ctx)
	if err := c.Greet(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Hello(ctx); err != nil {
		fmt.Println(err)
		return
	}
	bob, _ := mail.ParseForwardPath("bob@example.org")
	for _, a := range c.Send(ctx, &smtpc.Message{
		To:     []mail.ForwardPath{bob},
		Header: []byte("Subject: hello\r\n\r\n"),
		Body:   strings.NewReader("Hello, Bob.\r\n"), Size: 13,
	}) {
		fmt.Println(a.Verdict, &a.Reply)
	}
	// Output: accepted 250 2.0.0 Ok
}

func BenchmarkSend2KB(b *testing.B) {
	for _, noChunking := range []bool{false, true} {
		b.Run(map[bool]string{false: "BDAT", true: "DATA"}[noChunking], func(b *testing.B) {
			mx := host(b, testmx.Options{Discard: true})
			c := ready(b, mx, smtpc.Options{NoChunking: noChunking})
			m := message(b, strings.Repeat("0123456789 0123456789 0123456789 0123456789 0123456789 012345\r\n", 32))
			b.ReportAllocs()
			for b.Loop() {
				if a := c.Send(b.Context(), m); a[0].Verdict != smtpc.Accepted {
					b.Fatalf("answer %+v", a)
				}
			}
		})
	}
}
