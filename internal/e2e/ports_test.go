//go:build e2e

package e2e_test

import (
	"net"
	"os"
	"testing"
)

// The server at the very ports that SES listens at. The other tests send through
// ports that are free.
func TestTheFivePorts(t *testing.T) {
	if os.Geteuid() != 0 {
		if inCI() {
			t.Fatal("needs root")
		}
		t.Skip("ports below 1024 need root")
	}
	const host = "127.25.87.65" // where nothing else should be
	for _, port := range []string{"25", "587", "2587", "465", "2465"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			if inCI() {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		_ = l.Close()
	}
	mx := receivingPostfix(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), host: host, top: `profile = "ses"`})
	a := newArrivals(t, mx, s.verify("example.com"))
	for _, c := range clients {
		// These can be made not to look at the name in the certificate.
		if c.name != "swaks" && c.name != "a file" {
			continue
		}
		for _, g := range append(gates, gate{"25", false}) {
			t.Run(c.name+" at "+g.port, func(t *testing.T) {
				t.Parallel()
				a.signed(t, c.send(t, s.door, g))
			})
		}
	}
}
