package dkim_test

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/dkim"
)

var at = time.Date(2025, 11, 6, 17, 6, 10, 0, time.UTC)

const plain = "Received: from a.example.org by b.example.org; Thu, 6 Nov 2025 17:06:10 +0000\r\n" +
	"From:  Ann\r\n\t<ann@example.com> \r\n" +
	"To: bob@example.net\r\n" +
	"subject: A  subject\tin\r\n   two lines \r\n" +
	"Date: Thu, 6 Nov 2025 17:06:10 +0000\r\n" +
	"Message-ID: <1@example.com>\r\n" +
	"List-Unsubscribe: <https://example.com/u>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" +
	"X-Other: x\r\n" +
	"\r\n"

const body = "Hello  Bob, \r\n\r\n\ta  tab\t\r\n.\r\n\r\n\r\n"

func newKeys(t testing.TB) []*dkim.Key {
	t.Helper()
	return []*dkim.Key{
		{Domain: "example.com", Selector: "r1", Algorithm: dkim.RSA, Private: generate(t, dkim.RSA)},
		{Domain: "example.com", Selector: "e1", Algorithm: dkim.Ed25519, Private: generate(t, dkim.Ed25519)},
	}
}

func sign(t testing.TB, header, body string, keys []*dkim.Key) string {
	t.Helper()
	sig, err := dkim.Sign([]byte(header), strings.NewReader(body), keys, at)
	if err != nil {
		t.Fatal(err)
	}
	return string(sig)
}

// verify gives what go-msgauth says about each signature of a message.
func verify(t testing.TB, message string, keys []*dkim.Key) []*msgauth.Verification {
	t.Helper()
	found, err := msgauth.VerifyWithOptions(strings.NewReader(message), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			for _, k := range keys {
				if k.Record() == name {
					txt, err := dkim.TXT(k.Private.Public())
					return []string{txt}, err
				}
			}
			return nil, fmt.Errorf("no record at %s", name)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOthersVerifyWhatWeSign(t *testing.T) {
	keys := newKeys(t)
	for name, c := range map[string]struct{ header, body string }{
		"a message":                 {plain, body},
		"no body":                   {plain, ""},
		"only empty lines":          {plain, "\r\n\r\n\r\n"},
		"only blanks":               {plain, " \t\r\n  \r\n"},
		"no line end":               {plain, "hello"},
		"blanks before no line end": {plain, "hello \t"},
		"blanks first":              {plain, "  a\r\n\r\n \r\n\t b \r\n"},
		"8-bit":                     {plain, "caf\xc3\xa9 \xff\r\n"},
		"controls":                  {plain, "a\x00\x01 \x0b b\r\n"},
		"large":                     {plain, strings.Repeat("some words  in a line\t of text \r\n\r\n", 3000)},
		"one long line":             {plain, strings.Repeat("x", 200_000) + "\r\n"},
		"many empty lines":          {plain, "a" + strings.Repeat("\r\n", 100_000) + "b"},
		"two of a name": {
			"Resent-To: a@example.org\r\nResent-To: b@example.org\r\n" + plain, body,
		},
		"the least":     {"From: ann@example.com\r\n\r\n", ""},
		"an empty From": {"From:\r\n\r\n", "x\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := verify(t, sign(t, c.header, c.body, keys)+c.header+c.body, keys)
			if len(got) != 2 {
				t.Fatalf("%d signatures", len(got))
			}
			for i, v := range got {
				if v.Err != nil || v.Domain != "example.com" || !v.Time.Equal(at) {
					t.Errorf("signature %d: %+v", i, v)
				}
			}
		})
	}
}

func TestTheFieldsThatMatterAreSigned(t *testing.T) {
	keys := newKeys(t)
	for name, c := range map[string]struct{ header, want string }{
		"a usual message": {plain, "From From Subject Subject Date Date Reply-To To To Message-ID " +
			"List-Unsubscribe List-Unsubscribe-Post"},
		"the least": {"From: a@example.com\r\n\r\n", "From From Subject Date Reply-To"},
		"Cc and two List-Post": {"List-Post: a\r\nCC: b\r\nlist-post: c\r\nFrom: a@example.com\r\n\r\n",
			"From From Subject Date Reply-To Cc Cc List-Post List-Post"},
		"never those that change": {"Received: x\r\nReturn-Path: <a>\r\nX-SES-Outgoing: x\r\nDKIM-Signature: x\r\nFrom: a\r\n\r\n",
			"From From Subject Date Reply-To"},
	} {
		t.Run(name, func(t *testing.T) {
			got := verify(t, sign(t, c.header, body, keys[:1])+"From: a\r\n\r\n", keys)
			if d := cmp.Diff(c.want, strings.Join(got[0].HeaderKeys, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAChangedMessageDoesNotVerify(t *testing.T) {
	keys := newKeys(t)
	sig := sign(t, plain, body, keys)
	for name, changed := range map[string]string{
		"body":                 plain + strings.Replace(body, "Bob", "Bab", 1),
		"text after":           plain + body + "x\r\n",
		"Subject":              strings.Replace(plain, "A  sub", "A  Sub", 1) + body,
		"To":                   strings.Replace(plain, "bob@", "eve@", 1) + body,
		"a second From":        "From: eve@example.org\r\n" + plain + body,
		"a second Subject":     "Subject: other\r\n" + plain + body,
		"a second To":          "To: eve@example.org\r\n" + plain + body,
		"a Reply-To":           "Reply-To: eve@example.org\r\n" + plain + body,
		"List-Unsubscribe":     strings.Replace(plain, "/u>", "/v>", 1) + body,
		"a second Date":        "Date: Thu, 6 Nov 2025 17:06:11 +0000\r\n" + plain + body,
		"no unsubscribe field": strings.Replace(plain, "List-Unsubscribe:", "X-Un:", 1) + body,
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range verify(t, sig+changed, keys) {
				if v.Err == nil {
					t.Error("the signature still verifies")
				}
			}
		})
	}
	for name, same := range map[string]string{
		"a Received in front":  "Received: by c.example.org\r\n" + plain + body,
		"an unsigned field":    strings.Replace(plain, "X-Other: x", "X-Other: y", 1) + body,
		"other white space":    strings.Replace(plain, "A  sub", "A sub", 1) + strings.Replace(body, "o  B", "o B", 1),
		"fewer empty lines":    plain + strings.TrimRight(body, "\r\n") + "\r\n",
		"another trace header": "Return-Path: <x@example.org>\r\n" + plain + body,
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range verify(t, sig+same, keys) {
				if v.Err != nil {
					t.Error(v.Err)
				}
			}
		})
	}
}

func TestTheFormOfTheField(t *testing.T) {
	keys := newKeys(t)
	sig := sign(t, plain, body, keys)
	if again := sign(t, plain, body, keys); again != sig {
		t.Error("a second time gave other octets")
	}
	if less := sign(t, strings.TrimSuffix(plain, "\r\n"), body, keys); less != sig {
		t.Error("without the empty line the octets are others")
	}
	for _, tag := range []string{" l=", " x=", " i="} {
		if strings.Contains(sig, tag) {
			t.Errorf("holds%s", tag)
		}
	}
	for _, tag := range []string{"v=1;", "a=rsa-sha256;", "a=ed25519-sha256;", "c=relaxed/relaxed;", "t=1762448770;"} {
		if !strings.Contains(sig, tag) {
			t.Errorf("lacks %s", tag)
		}
	}
	lines := strings.Split(sig, "\r\n")
	for i, line := range lines {
		if len(line) > 76 {
			t.Errorf("a line of %d octets", len(line))
		}
		fresh := strings.HasPrefix(line, "DKIM-Signature: v=1; ")
		if i < len(lines)-1 && !fresh && (line[0] != '\t' || strings.TrimSpace(line) == "") {
			t.Errorf("no continuation: %q", line)
		}
	}
	if n := strings.Count(sig, "DKIM-Signature:"); n != 2 || lines[len(lines)-1] != "" {
		t.Errorf("%d fields, ending in %q", n, lines[len(lines)-1])
	}
}

func TestTheBodyMayComeInAnyPieces(t *testing.T) {
	keys := newKeys(t)[1:]
	text := strings.Repeat("a \t b\t\r\n\r\n \r\n\r x\r\r\n\ny", 7) + " \r\n\r\n"
	want := sign(t, plain, text, keys)
	for name, r := range map[string]io.Reader{
		"one octet": iotest.OneByteReader(strings.NewReader(text)),
		"halves":    iotest.HalfReader(strings.NewReader(text)),
		"EOF early": iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := dkim.Sign([]byte(plain), r, keys, at)
		if err != nil || string(got) != want {
			t.Errorf("%s: other octets (%v)", name, err)
		}
	}
}

// pieces gives at most so many octets at a time.
type pieces struct {
	io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.n)]) }

func TestALargeBodyIsReadThroughOneBuffer(t *testing.T) {
	keys := newKeys(t)[1:]
	allocs := func(size int) float64 {
		text := strings.Repeat("x", size)
		return testing.AllocsPerRun(10, func() {
			if _, err := dkim.Sign([]byte(plain), pieces{strings.NewReader(text), 4 << 10}, keys, at); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := allocs(16<<10), allocs(1<<20); large > small+5 {
		t.Errorf("%v allocations for 16 KB, %v for 1 MB", small, large)
	}
}

func TestTheBodyHashIsThatOfTheRFC(t *testing.T) {
	// The message of RFC 8463 appendix A.
	const joe = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
	sig := sign(t, plain, joe, newKeys(t)[1:])
	if !strings.Contains(sig, "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;") {
		t.Error(sig)
	}
}

func TestWhatCannotBeSignedIsAnError(t *testing.T) {
	keys := newKeys(t)
	r, e := keys[0].Private, keys[1].Private
	key := func(domain, selector string, alg dkim.Algorithm, private crypto.Signer) []*dkim.Key {
		return []*dkim.Key{{Domain: domain, Selector: selector, Algorithm: alg, Private: private}}
	}
	for name, c := range map[string]struct {
		header string
		keys   []*dkim.Key
	}{
		"no From":           {"To: a@example.com\r\n\r\n", keys},
		"two From":          {"From: a@example.com\r\nFROM: b@example.com\r\n\r\n", keys},
		"no header section": {"\r\n", keys},
		"a bare LF":         {"From: a@example.com\n\r\n", keys},
		"no domain":         {plain, key("", "s", dkim.RSA, r)},
		"a tag in a domain": {plain, key("example.com; l=0", "s", dkim.RSA, r)},
		"a line in a name":  {plain, key("example.com", "s\r\nX: y", dkim.RSA, r)},
		"another algorithm": {plain, key("example.com", "s", dkim.RSA, e)},
		"no private key":    {plain, key("example.com", "s", dkim.RSA, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			if sig, err := dkim.Sign([]byte(c.header), strings.NewReader(body), c.keys, at); err == nil {
				t.Errorf("signed: %s", sig)
			}
		})
	}
	lost := errors.New("disk lost")
	if _, err := dkim.Sign([]byte(plain), iotest.ErrReader(lost), keys, at); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	if sig, err := dkim.Sign(nil, iotest.ErrReader(lost), nil, at); sig != nil || err != nil {
		t.Errorf("without keys: %q, %v", sig, err)
	}
}

// python3-dkim shares no code with us or with go-msgauth.
func TestPythonVerifiesWhatWeSign(t *testing.T) {
	// Debian's own comes first: python3-dkim is installed for it, and not for
	// another that may stand before it in PATH.
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import dkim, nacl").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("python3-dkim is not installed; .ci/counterparts does it")
		}
		t.Skip("python3-dkim or python3-nacl is not installed")
	}
	keys := newKeys(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "m.eml"), []byte(sign(t, plain, body, keys)+plain+body), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", `
import dkim, sys
records = {a.encode() + b".": b.encode() for a, b in zip(sys.argv[2::2], sys.argv[3::2])}
d = dkim.DKIM(open(sys.argv[1], "rb").read())
for i in range(2):
    print(d.verify(idx=i, dnsfunc=lambda name, timeout=5: records[name]))
`, filepath.Join(dir, "m.eml")}
	for _, k := range keys {
		txt, err := dkim.TXT(k.Private.Public())
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, k.Record(), txt)
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil || string(bytes.TrimSpace(out)) != "True\nTrue" {
		t.Fatalf("%v: %s", err, out)
	}
}

func FuzzSign(f *testing.F) {
	f.Add([]byte(plain), []byte(body))
	f.Add([]byte("From: a\r\n b\r\nsubject:\r\n\r\n"), []byte(" \r\n a"))
	keys := []*dkim.Key{{Domain: "example.com", Selector: "e1", Algorithm: dkim.Ed25519, Private: generate(f, dkim.Ed25519)}}
	f.Fuzz(func(t *testing.T, header, body []byte) {
		if !bytes.HasSuffix(header, []byte("\r\n\r\n")) || bytes.Contains(bytes.ToLower(header), []byte("dkim-signature")) {
			return
		}
		if rest := bytes.ReplaceAll(body, []byte("\r\n"), nil); bytes.ContainsAny(rest, "\r\n") {
			return // go-msgauth repairs bare line ends while it hashes
		}
		sig, err := dkim.Sign(header, bytes.NewReader(body), keys, at)
		if err != nil {
			return
		}
		for _, v := range verify(t, string(sig)+string(header)+string(body), keys) {
			if v.Err != nil {
				t.Errorf("%q %q: %v", header, body, v.Err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	keys := newKeys(b)[1:]
	for _, size := range []int{2 << 10, 5 << 20} {
		text := strings.Repeat("some words in a line of text, as long as most lines are\r\n", size/57)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				sign(b, plain, text, keys)
			}
		})
	}
}
