package sink_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/smtp"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

func listen(t *testing.T, o sink.Options) *sink.Sink {
	t.Helper()
	s, err := sink.Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestNothingIsAnsweredWhileTheSinkHolds(t *testing.T) {
	s := listen(t, sink.Options{Pipelining: true})
	s.Hold()
	sent := make(chan error, 1)
	go func() {
		_, err := load.Run(t.Context(), load.Options{Addr: s.Addr(), Messages: 5})
		sent <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s.WaitFor(ctx, 1) == nil {
		t.Error("a message came")
	}
	s.Release()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if n := s.Count().Messages; n != 5 {
		t.Errorf("%d messages after the release, want 5", n)
	}
}

func TestRepliesToPipelinedCommandsAreOnTheirWayTogether(t *testing.T) {
	const latency = 50 * time.Millisecond
	s := listen(t, sink.Options{Pipelining: true, Chunking: true, Latency: latency})
	for _, tc := range []struct {
		name  string
		o     load.Options
		trips int // with greeting and EHLO
	}{
		{"all in one", load.Options{Pipelining: true, Chunking: true, Recipients: 10}, 3},
		{"one by one", load.Options{Recipients: 10}, 15},
	} {
		tc.o.Addr, tc.o.Messages = s.Addr(), 1
		res, err := load.Run(t.Context(), tc.o)
		if err != nil {
			t.Fatal(err)
		}
		least := time.Duration(tc.trips) * latency
		if res.Elapsed < least || res.Elapsed > least+5*latency {
			t.Errorf("%s: took %s, want about %s", tc.name, res.Elapsed, least)
		}
	}
}

func TestTheSinkSpeaksTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, sink.Options{TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}})
	c, err := smtp.Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		t.Error("STARTTLS is offered under TLS")
	}
	if err := c.Mail("a@example.com"); err != nil {
		t.Error(err)
	}
}

func TestTheSinkListensAtMoreAddressesAndCountsSignatures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("loopback has one address here")
	}
	s := listen(t, sink.Options{Also: []string{"127.1.0.1"}})
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	content := "DKIM-Signature: v=1\r\nDKIM-Signature: v=1\r\n\r\nDKIM-Signature: in the body\r\n"
	for i, host := range []string{"127.0.0.1", "127.1.0.1"} {
		if err := smtp.SendMail(net.JoinHostPort(host, port), nil, "a@example.com", []string{fmt.Sprintf("b%d@example.net", i)}, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if c := s.Count(); c.Messages != 2 || c.Signatures != 4 {
		t.Errorf("%+v, want two messages with four signatures", c)
	}
}

func TestWhatIsLostAndWhatCameTwiceIsFound(t *testing.T) {
	s := listen(t, sink.Options{Pipelining: true})
	run := func(name string, messages int64, recipients int) []string {
		t.Helper()
		res, err := load.Run(t.Context(), load.Options{Addr: s.Addr(), Run: name, Messages: messages, Recipients: recipients, Pipelining: true})
		if err != nil || len(res.Acknowledged) != int(messages)*recipients {
			t.Fatalf("%d acknowledged, %v", len(res.Acknowledged), err)
		}
		return res.Acknowledged
	}
	acks := append(run("a", 4, 3), run("b", 2, 1)...)
	if lost, doubled := s.Check(acks); len(lost)+len(doubled) > 0 {
		t.Errorf("lost %q, doubled %q", lost, doubled)
	}
	run("a", 1, 3) // the first once more, and again
	run("a", 1, 2)
	missing := []string{sink.Key("a-4", "r3@example.net"), sink.Key("c-1", "r0@example.net")}
	lost, doubled := s.Check(append(acks, missing...))
	slices.Sort(doubled)
	if !slices.Equal(lost, missing) || !slices.Equal(doubled, acks[:3]) {
		t.Errorf("lost %q, doubled %q", lost, doubled)
	}
	s.Forget()
	if lost, _ := s.Check(acks[:1]); len(lost) != 1 {
		t.Errorf("after all was forgotten, lost %q", lost)
	}
}
