package resolver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sesame-mta/sesame/internal/resolver"
)

// liar is a connection to a server that answers anything with fixed octets,
// under the number of the question.
type liar struct {
	net.Conn // nil: what is not written here is not used
	stream   bool
	reply    []byte
	out      bytes.Reader
}

func (c *liar) Write(q []byte) (int, error) {
	n := len(q)
	if c.stream {
		q = q[2:]
	}
	reply := append([]byte(nil), c.reply...)
	if len(reply) >= 2 {
		copy(reply, q[:2])
	}
	if c.stream {
		reply = append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)
	}
	c.out.Reset(reply)
	return n, nil
}

func (c *liar) Read(p []byte) (int, error) {
	if c.out.Len() == 0 {
		return 0, io.EOF
	}
	return c.out.Read(p)
}

func (c *liar) SetDeadline(time.Time) error { return nil }
func (c *liar) Close() error                { return nil }

// FuzzReply lets a server answer with anything: the resolver gives bounded,
// well-formed records or an *Error.
func FuzzReply(f *testing.F) {
	for _, records := range []string{
		"example.org. 60 IN MX 10 a.example.org.\nexample.org. 60 IN MX 0 .",
		"example.org. 60 IN CNAME b.example.org.\nb.example.org. 4294967295 IN A 192.0.2.1",
		"example.org. 0 IN AAAA 2001:db8::1",
		"example.org. 60 IN TXT \"a\\200b\" \"c\"",
		"example.org. 60 IN CNAME example.org.",
	} {
		for _, qtype := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeAAAA, dns.TypeTXT} {
			m := new(dns.Msg)
			m.SetQuestion("example.org.", qtype)
			m.Response = true
			for line := range strings.SplitSeq(records, "\n") {
				rr, err := dns.NewRR(line)
				if err != nil {
					f.Fatal(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			wire, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire, uint8(qtype))
			m.Truncated = true
			wire, err = m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire[:len(wire)-3], uint8(qtype))
			m.Answer = []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: "example.org.", Rrtype: qtype, Class: dns.ClassINET, Ttl: 60}}}
			m.Truncated = false
			wire, err = m.Pack() // a record without data
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire, uint8(qtype))
		}
	}
	f.Fuzz(func(t *testing.T, reply []byte, which uint8) {
		if len(reply) > 65535 {
			t.Skip("no reply is as long")
		}
		r, err := resolver.New(resolver.Options{
			Servers: []string{"127.0.0.1:53"},
			Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
				return &liar{stream: network == "tcp", reply: reply}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var n int
		var meta resolver.Meta
		ctx := t.Context()
		switch uint16(which) {
		case dns.TypeMX:
			var list []resolver.MX
			list, meta, err = r.MX(ctx, "example.org")
			for i, mx := range list {
				if i > 0 && mx.Pref < list[i-1].Pref || mx.Host != strings.ToLower(mx.Host) || strings.HasSuffix(mx.Host, "..") {
					t.Errorf("bad list %v", list)
				}
			}
			n = len(list)
		case dns.TypeTXT:
			var list []string
			list, meta, err = r.TXT(ctx, "example.org")
			n = len(list)
		default:
			list, m, e := r.A(ctx, "example.org")
			if which%2 == 0 {
				list, m, e = r.AAAA(ctx, "example.org")
			}
			n, meta, err = len(list), m, e
			for _, a := range list {
				if !a.IsValid() {
					t.Errorf("bad list %v", list)
				}
			}
		}
		var e *resolver.Error
		switch {
		case err != nil && (!errors.As(err, &e) || e.Kind == 0 || e.Name != "example.org"):
			t.Errorf("error %#v", err)
		case err == nil && (n == 0 && which != 0 || n > 100):
			t.Errorf("%d records without an error", n)
		case err == nil && time.Until(meta.Expires) > 24*time.Hour:
			t.Errorf("remembered until %v", meta.Expires)
		}
	})
}
