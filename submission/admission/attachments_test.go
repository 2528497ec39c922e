package admission_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/submission/admission"
)

// rule gives the rule of a name.
func rule(t testing.TB, name string, o admission.Options) func(context.Context, *admission.Candidate) error {
	t.Helper()
	for _, r := range admission.Rules(o) {
		if r.Name == name {
			return r.Check
		}
	}
	t.Fatalf("there is no rule %s", name)
	return nil
}

// candidate is a message of a strict account.
func candidate(t testing.TB, text string) *admission.Candidate {
	t.Helper()
	header, _, found := strings.Cut(text, "\r\n\r\n")
	if !found {
		t.Fatalf("no end of the header section in %q", text)
	}
	header += "\r\n\r\n"
	section, err := message.Scan([]byte(header))
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return &admission.Candidate{
		Principal: &auth.Principal{Account: "000000000001", Strict: true}, Header: section,
		Content: strings.NewReader(text), Size: int64(len(text)), HeaderSize: int64(len(header)),
	}
}

// mixed is a multipart message of these parts.
func mixed(parts ...string) string {
	return "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\r\npreamble\r\n--b b\r\n" +
		strings.Join(parts, "\r\n--b b\r\n") + "\r\n--b b--\r\nepilogue\r\n"
}

// file is a part whose disposition has these parameters.
func file(parameters string) string {
	return "Content-Disposition: attachment; " + parameters + "\r\n\r\nx"
}

const exe = "Attachments with the file extension '.exe' are not allowed."

func TestAttachmentsWithAForbiddenExtensionAreFoundWhereverTheyAre(t *testing.T) {
	inner := "Subject: x\r\n" + mixed("\r\nhi", file("filename=a.exe"))
	nested := mixed(file("filename=a.exe"))
	for range 21 {
		nested = strings.ReplaceAll("Content-Type: multipart/mixed; boundary=N\r\n\r\n--N\r\n", "N", fmt.Sprint("n", len(nested))) + nested
	}
	const structure = "MIME structure cannot be parsed."
	for name, c := range map[string]struct{ text, want string }{
		"plain text":                   {"Subject: x\r\n\r\nfilename=a.exe\r\n", ""},
		"no body":                      {"Subject: x\r\n\r\n", ""},
		"a harmless file":              {mixed(file(`filename="a.exe.pdf"`)), ""},
		"no extension":                 {mixed(file(`filename=exe`)), ""},
		"a file":                       {mixed(file("filename=a.exe")), exe},
		"upper case, quoted":           {mixed(file(`FileName="My Setup.EXE"`)), exe},
		"the last of three":            {mixed("\r\nhi", file("filename=a.txt"), file("filename=a.exe")), exe},
		"a name in Content-Type":       {mixed("Content-Type: application/octet-stream; name=a.exe\r\n\r\nx"), exe},
		"both differ":                  {mixed("Content-Type: text/plain; name=a.exe\r\nContent-Disposition: inline; filename=a.txt\r\n\r\nx"), exe},
		"the message itself":           {"Content-Disposition: attachment; filename=a.exe\r\n\r\nx", exe},
		"folded":                       {mixed("Content-Disposition: attachment;\r\n\tfilename=\r\n a.exe\r\n\r\nx"), exe},
		"two dispositions":             {mixed("Content-Disposition: inline\r\n" + file("filename=a.exe")), exe},
		"said twice":                   {mixed(file("filename=a.txt; filename=a.exe")), exe},
		"a dot behind":                 {mixed(file(`filename="a.exe. "`)), exe},
		"a NUL within":                 {mixed(file(`filename="=?utf-8?q?a=2Ee=00xe?="`)), exe},
		"an escaped letter":            {mixed(file(`filename="a.e\xe"`)), exe},
		"no type of disposition":       {mixed("Content-Disposition: filename=a.exe\r\n\r\nx"), exe},
		"RFC 2231":                     {mixed(file("filename*=utf-8''a%2Eexe")), exe},
		"RFC 2231 in a rare charset":   {mixed(file("filename*=iso-8859-7'el'%E1%2Eexe")), exe},
		"RFC 2231 in pieces":           {mixed(file("filename*0=a.; filename*1=e; filename*2=xe")), exe},
		"pieces in disorder":           {mixed(file("filename*1=exe; filename*0=a.")), exe},
		"pieces, some encoded":         {mixed(file("filename*0*=utf-8''a%2E; filename*1=exe")), exe},
		"a piece said twice":           {mixed(file("filename*0=a.exe; filename*0=a.txt")), exe},
		"bad percent":                  {mixed(file("filename*=utf-8''%zz%2Eexe")), exe},
		"an encoded word":              {mixed(file(`filename="=?utf-8?B?` + base64.StdEncoding.EncodeToString([]byte("a.exe")) + `?="`)), exe},
		"encoded in a rare charset":    {mixed(file(`filename="=?windows-1251?Q?=EF=2Eexe?="`)), exe},
		"two encoded words":            {mixed(file(`filename="=?utf-8?q?a.?= =?utf-8?q?exe?="`)), exe},
		"after a quoted semicolon":     {mixed(file(`filename="a;b.exe"`)), exe},
		"in an inner multipart":        {mixed("\r\nhi", "Content-Type: multipart/related; boundary=in\r\n\r\n--in\r\n"+file("filename=a.exe")+"\r\n--in--\r\n"), exe},
		"behind an inner multipart":    {mixed("Content-Type: multipart/related; boundary=in\r\n\r\n--in\r\n\r\nx\r\n--in--\r\n", file("filename=a.exe")), exe},
		"an inner one without its end": {mixed("Content-Type: multipart/related; boundary=in\r\n\r\n--in\r\n\r\nx", file("filename=a.exe")), exe},
		"no final delimiter":           {strings.TrimSuffix(mixed(file("filename=a.exe")), "\r\n--b b--\r\nepilogue\r\n"), exe},
		"an attached message":          {mixed("Content-Type: message/rfc822\r\n\r\n" + inner), exe},
		"an encoded attached message": {mixed("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(inner))), exe},
		"an empty attached message": {mixed("Content-Type: message/rfc822\r\n\r\n"), ""},
		"a long body before":        {mixed("\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 3000), file("filename=a.exe")), exe},

		"too deep":                     {nested, "MIME parts are nested more than 20 deep."},
		"too many parts":               {mixed(strings.Split(strings.Repeat("\r\nx;", 31), ";")[:31]...), "Message has more than 30 MIME parts."},
		"as many as may be":            {mixed(strings.Split(strings.Repeat("\r\nx;", 30), ";")[:30]...), ""},
		"no boundary":                  {"Content-Type: multipart/mixed\r\n\r\nx", "Multipart has no valid boundary."},
		"a long boundary":              {"Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 71) + "\r\n\r\nx", "Multipart has no valid boundary."},
		"an unreadable type":           {"Content-Type: multipart/mixed; boundary\r\n\r\nx", "Content-Type cannot be parsed."},
		"an unreadable inner type":     {mixed("Content-Type: text/plain; a=b; a=c\r\n\r\nx"), "Content-Type cannot be parsed."},
		"two types":                    {mixed("Content-Type: text/plain\r\nContent-type: text/html\r\n\r\nx"), "Duplicate header 'Content-Type'."},
		"two encodings":                {mixed("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\nx"), "Duplicate header 'Content-Transfer-Encoding'."},
		"an encoded multipart":         {"Content-Transfer-Encoding: base64\r\n" + mixed("\r\nx"), "A multipart body must not be encoded."},
		"an unknown encoding":          {mixed("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: rot13\r\n\r\n" + inner), "Content-Transfer-Encoding of an attached message is not known."},
		"a part without header":        {mixed("no header here"), structure},
		"a header section without end": {mixed("X: " + strings.Repeat("x", 100<<10) + "\r\n\r\nx"), structure},
		"a preamble without end":       {strings.Replace(mixed("\r\nx"), "preamble", strings.Repeat("pre\r\n", 30<<10), 1), structure},
	} {
		t.Run(name, func(t *testing.T) {
			check := rule(t, "attachments", admission.Options{MIMEParts: 30})
			want := ""
			if c.want != "" {
				want = "554 5.6.0 Transaction failed: " + c.want
			}
			got := ""
			if err := check(t.Context(), candidate(t, c.text)); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			lax := candidate(t, c.text)
			lax.Principal.Strict = false
			if err := check(t.Context(), lax); err != nil {
				t.Errorf("the default profile refuses it: %v", err)
			}
		})
	}
}

func TestContentThatCannotBeReadIsNoFaultOfTheSender(t *testing.T) {
	broken := errors.New("disk")
	c := candidate(t, mixed(file("filename=a.exe")))
	c.Content = readerAt{iotest.ErrReader(broken)}
	err := rule(t, "attachments", admission.Options{})(t.Context(), c)
	var reply *mail.Reply
	if !errors.As(err, &reply) || reply.Code != 451 || reply.Text != "Temporary service failure" || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

// FuzzAttachments looks for content that the rule cannot stand: it must end, not
// panic, and refuse with a reply of one line.
func FuzzAttachments(f *testing.F) {
	f.Add(mixed(file("filename=a.exe")))
	f.Add(mixed("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(mixed("\r\nx")))))
	f.Add(mixed(file("filename*0*=utf-8''a%2E; filename*1=exe")))
	f.Add("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n--a--\r\n--a-x")
	check := rule(f, "attachments", admission.Options{MIMEParts: 50})
	f.Fuzz(func(t *testing.T, text string) {
		header, _, found := strings.Cut(text, "\r\n\r\n")
		if !found {
			return
		}
		if _, err := message.Scan([]byte(header + "\r\n\r\n")); err != nil {
			return
		}
		err := check(t.Context(), candidate(t, text))
		var reply *mail.Reply
		if err != nil && (!errors.As(err, &reply) || reply.Code != 554 || strings.ContainsAny(reply.Text, "\r\n")) {
			t.Errorf("got %v", err)
		}
	})
}
