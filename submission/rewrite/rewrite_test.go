package rewrite_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/submission/rewrite"
)

const at = "https://mail.example.com/unsubscribe/AYuDddFJs6kBIDflSHOmDbZPcOZ3yzAwMDAwMDAwMDA0MgRuZXdzYW5uQGV4YW1wbGUub3JnzqQQMwCJirFo7-Oocl7oAg1"

// body edits the body of a message and gives it with the number of placeholders.
func body(t testing.TB, text, address string) (string, int) {
	t.Helper()
	end := strings.Index(text, "\r\n\r\n") + 4
	s, err := message.Scan([]byte(text[:end]))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := rewrite.Body(&out, s, strings.NewReader(text[end:]), address)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), n
}

// lines writes lines with CRLF.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

func longest(text string) (n int) {
	for l := range strings.SplitSeq(text, "\r\n") {
		n = max(n, len(l))
	}
	return n
}

func TestAddressesComeInThePlaceOfPlaceholders(t *testing.T) {
	ses, own := rewrite.SESPlaceholder, rewrite.Placeholder
	for name, c := range map[string]struct {
		in, out string
		n       int
	}{
		"a message without a type":  {lines("From: a@example.org", "", "Leave: "+ses+".", "Bye"), lines("Leave: " + at + "."), 1},
		"7bit":                      {lines("Content-Transfer-Encoding: 7Bit", "", ses), lines(at), 1},
		"8bit":                      {lines("Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", "é<a href=\""+own+"\">"), "é<a href=\"" + at + "\">\r\n", 1},
		"only the first two of SES": {lines("A: b", "", ses+ses+" "+ses, ses), lines(at+at+" "+ses, ses), 2},
		"many of ours":              {lines("A: b", "", strings.Repeat(own+"\r\n", 101)), strings.Repeat(at+"\r\n", 100) + own + "\r\n", 100},
		"both in one line":          {lines("A: b", "", "{"+own+"}{{"+ses), lines("{" + at + "}{{" + at), 2},
		"no end of line":            {"A: b\r\n\r\n" + own, at, 1},
		"other letters":             {lines("A: b", "", "{{amazonsesunsubscribeurl}} {{ sesameUnsubscribeUrl }} {{sesameUnsubscribeUrl}"), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, n := body(t, c.in, at)
			_, in, _ := strings.Cut(c.in, "\r\n\r\n")
			want := c.out
			if c.n == 0 {
				want = in
			}
			if name == "a message without a type" {
				want += "Bye\r\n"
			}
			if name == "many of ours" {
				want += "\r\n"
			}
			if got != want || n != c.n {
				t.Errorf("%d placeholders:\n%q\nwant\n%q", n, got, want)
			}
		})
	}
}

// What is written in an encoding is what it would be if it had been put in before.
func TestTheEncodingOfATextIsKept(t *testing.T) {
	text := strings.Repeat("Grüße {{}} {{sesame = {{amazonSES\r\n", 7) + "<a href=\"{{sesameUnsubscribeUrl}}\">leave</a> or {{amazonSESUnsubscribeUrl}}{{amazonSESUnsubscribeUrl}}" +
		"{{amazonSESUnsubscribeUrl}}\r\n" + strings.Repeat("the end = {{sesameUnsubscribeUrl}}\r\n{", 3)
	want := strings.ReplaceAll(text, rewrite.Placeholder, at)
	want = strings.Replace(want, rewrite.SESPlaceholder, at, 2)
	for shift := range 80 { // wherever lines and fours end
		pad := strings.Repeat("x", shift)
		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		_, _ = io.WriteString(w, pad+text)
		_ = w.Close()
		b64 := base64.StdEncoding.EncodeToString([]byte(pad + text))
		var broken strings.Builder
		for len(b64) > 0 {
			n := min(76, len(b64))
			broken.WriteString(b64[:n] + "\r\n")
			b64 = b64[n:]
		}
		escaped := strings.NewReplacer("{", "=7B", "}", "=7d").Replace(qp.String())
		for name, c := range map[string]struct {
			encoding, in string
			decode       func(string) string
		}{
			"quoted-printable": {"quoted-printable", qp.String() + "\r\n", unquote},
			"escaped":          {"quoted-printable", escaped + "\r\n", unquote},
			"base64":           {"base64", broken.String(), unbase64},
			"base64 in a line": {"BASE64", strings.ReplaceAll(broken.String(), "\r\n", "") + "\r\n", unbase64},
		} {
			got, n := body(t, lines("Content-Type: text/html", "Content-Transfer-Encoding: "+c.encoding, "", "")+c.in, at)
			got = strings.TrimPrefix(got, "\r\n")
			if n != 6 {
				t.Fatalf("%s shifted by %d: %d placeholders", name, shift, n)
			}
			if text := strings.TrimRight(c.decode(got), "\r\n"); text != strings.TrimRight(pad+want, "\r\n") {
				t.Fatalf("%s shifted by %d:\n%q\nwant\n%q", name, shift, text, pad+want)
			}
			if n := longest(got); name != "escaped" && name != "base64 in a line" && n > 76 {
				t.Fatalf("%s shifted by %d: a line of %d\n%s", name, shift, n, got)
			}
			// Up to the first placeholder every octet is the same.
			if same := len(pad); !strings.HasPrefix(got, c.in[:same]) {
				t.Fatalf("%s shifted by %d: begins with %q", name, shift, got[:same])
			}
		}
	}
}

func unquote(text string) string {
	b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text)))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func unbase64(text string) string {
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\r\n", ""))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestOnlyTextsAreEdited(t *testing.T) {
	own := rewrite.Placeholder
	signed := lines("--sig", "Content-Type: text/plain", "", own, "--sig", "Content-Type: application/pkcs7-signature", "", own, "--sig--")
	in := lines("Content-Type: multipart/mixed; boundary=\"a b\"", "", "preamble "+own,
		"--a b", "", "no header, "+own,
		"--a b  ", "Content-Type: multipart/alternative; boundary=inner", "", own,
		"--inner", "Content-Type: text/html", "", "html "+own, "--a bc", "--inner-- x",
		"--inner", "Content-Type: text/calendar", "", own, "--inner--", "epilogue "+own,
		"--a b", "Content-Type: text/plain; name=x", "Content-Disposition: attachment", "", own,
		"--a b", "Content-Disposition: inline", "Content-Type: TEXT/Plain; charset=\"utf-8\"", "", "inline "+own,
		"--a b", "Content-Type: multipart/signed; boundary=sig", "") + "\r\n" + signed +
		lines("--a b", "Content-Type: message/rfc822", "", "Subject: forwarded", "", own,
			"--a b", "Content-Type: text/plain; charset", "", own,
			"--a b", "Content-Type: text/plain", "Content-Type: text/html", "", own,
			"--a b", "Content-Transfer-Encoding: x-other", "", own,
			"--a b", "Content-Type: multipart/digest; boundary=d", "", "--d", "", own, "--d--",
			"--a b", "X: no empty line, "+own,
			"--a b--", own)
	got, n := body(t, in, "X")
	_, want, _ := strings.Cut(in, "\r\n\r\n")
	for _, prefix := range []string{"no header, ", "html ", "inline "} {
		want = strings.Replace(want, prefix+own, prefix+"X", 1)
	}
	if got != want || n != 3 {
		t.Errorf("%d placeholders:\n%s", n, got)
	}
	for _, head := range []string{"Content-Type: multipart/signed; boundary=sig", "Content-Type: multipart/mixed", "Content-Type: multipart/encrypted; boundary=sig"} {
		if got, n := body(t, lines(head, "")+"\r\n"+signed, "X"); got != "\r\n"+signed && got != signed || n != 0 {
			t.Errorf("%s: %d placeholders\n%s", head, n, got)
		}
	}
}

func TestNoLineBecomesTooLong(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"a blank before", strings.Repeat("a", 500) + " <a href=\"" + rewrite.Placeholder + "\">" + strings.Repeat("b", 400)},
		{"no blank", strings.Repeat("a", 480) + rewrite.Placeholder + strings.Repeat("b", 480)},
		{"a long way", strings.Repeat("word ", 190) + rewrite.Placeholder},
		{"three", strings.Repeat(rewrite.Placeholder+" and "+strings.Repeat("c", 250)+" ", 3)},
		{"nothing between", strings.Repeat(rewrite.Placeholder, 40)},
	} {
		for _, size := range []int{100, 600, 998} {
			address := "https://mail.example.com/" + strings.Repeat("t", size-25)
			got, n := body(t, "A: b\r\n\r\n"+c.in+"\r\n", address)
			if n == 0 || longest(got) > 998 || strings.Contains(got, "\r\n\r\n") {
				t.Errorf("%s, address of %d: %d placeholders, a line of %d octets:\n%s", c.name, size, n, longest(got), got)
			}
			if flat := strings.ReplaceAll(got, "\r\n", ""); flat != strings.ReplaceAll(c.in, rewrite.Placeholder, address) {
				t.Errorf("%s, address of %d: %s", c.name, size, flat)
			}
		}
	}
}

func TestWhatIsSignedShows(t *testing.T) {
	for field, want := range map[string]bool{"DKIM-Signature: v=1": true, "dkim-signature: v=1": true, "ARC-Message-Signature: i=1": true, "Subject: DKIM-Signature": false} {
		s, err := message.Scan([]byte(field + "\r\n\r\n"))
		if err != nil || rewrite.Signed(s) != want {
			t.Errorf("%s: %v, %v", field, !want, err)
		}
	}
}

func TestMemoryDoesNotGrowWithTheBody(t *testing.T) {
	for name, head := range map[string]string{
		"base64 of nothing": "Content-Transfer-Encoding: base64", "soft breaks": "Content-Transfer-Encoding: quoted-printable", "text": "A: b",
	} {
		unit := map[string]string{"base64 of nothing": "!\r\n", "soft breaks": "=\r\n", "text": "{{{"}[name]
		s, err := message.Scan([]byte(head + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		start := map[string]string{"base64 of nothing": "e3tz", "soft breaks": "{{s"}[name]
		in := io.MultiReader(strings.NewReader(start), io.LimitReader(&repeat{text: unit}, 8<<20))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := rewrite.Body(io.Discard, s, in, at); err != nil {
			t.Error(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
			t.Errorf("%s: %d octets were taken", name, n)
		}
	}
}

// repeat gives a text over and over.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWhatCannotBeWrittenOrReadIsAnError(t *testing.T) {
	s, err := message.Scan([]byte("A: b\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rewrite.Body(full{}, s, strings.NewReader("x"), at); err == nil {
		t.Error("written to nowhere")
	}
	if _, err := rewrite.Body(io.Discard, s, io.MultiReader(strings.NewReader("x"), iotestErr{}), at); err == nil {
		t.Error("read from nowhere")
	}
	if _, err := rewrite.Body(io.Discard, s, strings.NewReader("x"), strings.Repeat("x", rewrite.MaxURL+1)); err == nil {
		t.Error("an address that no line can hold")
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func ExampleBody() {
	s, _ := message.Scan([]byte("Content-Type: text/plain\r\n\r\n"))
	var out strings.Builder
	n, err := rewrite.Body(&out, s, strings.NewReader("To leave: {{sesameUnsubscribeUrl}}\r\n"), "https://mail.example.com/unsubscribe/x1")
	fmt.Print(n, " ", err, " ", out.String())
	// Output: 1 <nil> To leave: https://mail.example.com/unsubscribe/x1
}
