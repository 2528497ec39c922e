package rewrite_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/submission/rewrite"
)

// FuzzBody sees to it that what holds no placeholder stays as it is, that the
// structure stays, and that an edited body holds no more to edit.
func FuzzBody(f *testing.F) {
	for _, head := range []string{"Content-Transfer-Encoding: quoted-printable", "Content-Transfer-Encoding: base64",
		"Content-Type: multipart/mixed; boundary=b", "A: b"} {
		f.Add(head+"\r\n\r\n", "{{sesameUnsubscribeUrl}}\r\n")
		f.Add(head+"\r\n\r\n", "{{sesame=\r\nUnsubscribeUrl=7D}\r\n")
		f.Add(head+"\r\n\r\n", "e3tzZXNhbWVVbnN1YnNjcmliZVVybH19\r\n")
		f.Add(head+"\r\n\r\n", "--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\neHh7e3Nlc2FtZVVuc3Vic2NyaWJlVXJsfX0=\r\n--b--\r\n")
		f.Add(head+"\r\n\r\n", "--b\r\n\r\n{{amazonSESUnsubscribeUrl}}\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n{{sesameUnsubscribeUrl}}\r\n--b--\r\n")
	}
	f.Fuzz(func(t *testing.T, head, body string) {
		s, err := message.Scan([]byte(head))
		if err != nil {
			return
		}
		var out bytes.Buffer
		n, err := rewrite.Body(&out, s, strings.NewReader(body), at)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 && out.String() != body {
			t.Fatalf("%q became %q", body, out.String())
		}
		if out.Len() > 2*len(body)+102*(2*len(at)+100) {
			t.Fatalf("%d octets became %d", len(body), out.Len())
		}
		if n == 0 || n >= 2 {
			return // some may be left since they were too many
		}
		var again bytes.Buffer
		if m, err := rewrite.Body(&again, s, bytes.NewReader(out.Bytes()), at); err != nil || m != 0 {
			t.Fatalf("%d and then %d placeholders, %v: %q became %q", n, m, err, body, out.String())
		}
	})
}
