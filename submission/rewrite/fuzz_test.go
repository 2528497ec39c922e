package rewrite_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
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

// FuzzEncodings sees to it that a text in an encoding becomes what it would have been
// if the address had stood in it before, however the lines of the encoding lie.
func FuzzEncodings(f *testing.F) {
	f.Add("{{{sesameUnsubscribeUrl}}{{amazonSESUnsubscribeUrl}}", uint8(7), uint32(0x11), byte(0))
	f.Add("é = {{amazonSES{{amazonSESUnsubscribeUrl}}}}\r\n {{sesameUnsubscribeUrl}} \t\r\n", uint8(3), uint32(0xff00ff), byte('\t'))
	f.Fuzz(func(t *testing.T, text string, width uint8, mask uint32, pad byte) {
		want := []byte(text)
		for _, c := range []struct {
			name  string
			limit int
		}{{rewrite.SESPlaceholder, 2}, {rewrite.Placeholder, 100}} {
			want = bytes.Replace(want, []byte(c.name), []byte(at), c.limit)
		}
		// Quoted-printable, with octets escaped by the mask and soft breaks by the width.
		var qp strings.Builder
		column := 0
		for i := range len(text) {
			unit := text[i : i+1]
			if c := text[i]; c <= ' ' || c == '=' || c > '~' || mask>>(i%32)&1 == 1 {
				unit = fmt.Sprintf("=%02X", c)
			}
			if column += len(unit); column > max(int(width)%76, 4) {
				qp.WriteString("=")
				if pad == ' ' || pad == '\t' {
					qp.WriteByte(pad)
				}
				qp.WriteString("\r\n")
				column = len(unit)
			}
			qp.WriteString(unit)
		}
		b64 := base64.StdEncoding.EncodeToString([]byte(text))
		var broken strings.Builder
		for n := int(width)%80 + 1; len(b64) > 0; {
			n = min(n, len(b64))
			broken.WriteString(b64[:n] + "\r\n")
			b64 = b64[n:]
		}
		for encoding, in := range map[string]string{"quoted-printable": qp.String() + "\r\n", "base64": broken.String()} {
			got, _ := body(t, "Content-Transfer-Encoding: "+encoding+"\r\n\r\n"+in, at)
			if encoding == "base64" {
				got = unbase64(got)
			} else {
				got = strings.TrimSuffix(unquote(got), "\r\n")
			}
			if got != string(want) {
				t.Fatalf("%s %q became %q, want %q", encoding, in, got, want)
			}
		}
	})
}
