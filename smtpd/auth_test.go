package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/smtpd"
)

// FuzzAuth says anything at all after AUTH, inside TLS. Nobody gets in but by the
// password, and the server always has a reply.
func FuzzAuth(f *testing.F) {
	for _, s := range []string{
		"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "AUTH PLAIN\r\nAHVzZXIAc2VjcmV0\r\n", "AUTH PLAIN\r\n*\r\n", "AUTH LOGIN dXNlcg==\r\nc2VjcmV0\r\n",
		"AUTH LOGIN\r\n=\r\n=\r\n", "AUTH PLAIN =\r\n", "AUTH\r\n", "AUTH PLAIN AA==\r\nAUTH LOGIN\r\n\r\n\r\n", "AUTH LOGIN\r\ndXNl\rcg==\r\n",
	} {
		f.Add(s)
	}
	l := &scripts{make(chan net.Conn), make(chan struct{})}
	cert := certificate(f)
	start(f, func(o *smtpd.Options) {
		o.TLS = cert
		o.ImplicitTLS = append(o.ImplicitTLS, l)
		o.Limits.AuthDelay = 1
	})
	f.Fuzz(func(t *testing.T, say string) {
		if len(say) > 20000 {
			t.Skip()
		}
		ours, theirs := net.Pipe()
		l.conns <- pipe{theirs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}}
		conn := tls.Client(ours, &tls.Config{InsecureSkipVerify: true})
		defer func() { _ = ours.Close() }()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.WriteString(conn, "EHLO x\r\n"+say+"\r\nQUIT\r\n")
			_ = conn.CloseWrite()
		}()
		in := false
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			in = in || strings.HasPrefix(lines.Text(), "235 ")
		}
		_ = ours.Close()
		<-done
		plain := base64.StdEncoding.EncodeToString([]byte("secret"))
		if in && !strings.Contains(say, plain[:6]) && !strings.Contains(decoded(say), "secret") {
			t.Errorf("let in by %q", say)
		}
	})
}

// decoded gives all words of s that are base64, decoded.
func decoded(s string) string {
	var b strings.Builder
	for _, w := range strings.Fields(s) {
		d, _ := base64.StdEncoding.DecodeString(w)
		b.Write(d)
		b.WriteByte(' ')
	}
	return b.String()
}
