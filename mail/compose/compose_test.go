package compose_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"encoding/base64"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail/compose"
	"github.com/sesame-mta/sesame/mail/message"
)

// node is an entity as a reader sees it.
type node struct {
	Type, Name, ID string
	Body           string
	Parts          []node
}

// read reads a message with readers that are not ours.
func read(t *testing.T, text []byte) (mail.Header, node) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, entity(t, m.Header, m.Body)
}

func entity(t *testing.T, h interface{ Get(string) string }, body io.Reader) node {
	t.Helper()
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	n := node{Type: kind, ID: h.Get("Content-Id")}
	if d := h.Get("Content-Disposition"); d != "" {
		disposition, params, err := mime.ParseMediaType(d)
		if err != nil {
			t.Fatal(err)
		}
		n.Name = disposition + " " + params["filename"]
	}
	if !strings.HasPrefix(kind, "multipart/") {
		switch h.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		n.Body = string(b)
		return n
	}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n.Parts = append(n.Parts, entity(t, p.Header, p))
	}
}

func open(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

func write(t *testing.T, m *compose.Message) []byte {
	t.Helper()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.SplitSeq(b.Bytes(), []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") || bytes.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
			t.Errorf("a line that is long, 8-bit or has a bare end: %.100q", line)
		}
	}
	return b.Bytes()
}

func TestTheTreeOfParts(t *testing.T) {
	pdf := compose.Attachment{Name: "a.pdf", Type: "application/pdf", Open: open("%PDF\n\x00\xff")}
	logo := compose.Attachment{Name: "logo.png", ContentID: "logo", Inline: true, Open: open("png")}
	csv := compose.Attachment{Name: "Größe.csv", Type: "text/csv; charset=iso-8859-1", Quoted: true, Open: open("a;b\nc\xe4\n")}
	leafPDF := node{Type: "application/pdf", Name: "attachment a.pdf", Body: "%PDF\n\x00\xff"}
	leafLogo := node{Type: "image/png", Name: "inline logo.png", ID: "<logo>", Body: "png"}
	leafCSV := node{Type: "text/csv", Name: "attachment Größe.csv", Body: "a;b\nc\xe4\n"}
	text, html := node{Type: "text/plain", Body: "hi\r\n"}, node{Type: "text/html", Body: "<p>hi</p>\r\n"}
	tests := []struct {
		about string
		m     compose.Message
		want  node
	}{
		{"nothing", compose.Message{}, node{Type: "text/plain", Body: "\r\n"}},
		{"a text", compose.Message{Text: "hi"}, text},
		{"HTML", compose.Message{HTML: "<p>hi</p>\n"}, html},
		{"both", compose.Message{Text: "hi", HTML: "<p>hi</p>"}, node{Type: "multipart/alternative", Parts: []node{text, html}}},
		{"an attachment", compose.Message{Text: "hi", Attachments: []compose.Attachment{pdf}},
			node{Type: "multipart/mixed", Parts: []node{text, leafPDF}}},
		{"a picture in HTML", compose.Message{HTML: "<p>hi</p>", Attachments: []compose.Attachment{logo}},
			node{Type: "multipart/related", Parts: []node{html, leafLogo}}},
		{"a picture without HTML", compose.Message{Text: "hi", Attachments: []compose.Attachment{logo}},
			node{Type: "multipart/mixed", Parts: []node{text, leafLogo}}},
		{"all of it", compose.Message{Text: "hi", HTML: "<p>hi</p>", Attachments: []compose.Attachment{pdf, logo, csv}},
			node{Type: "multipart/mixed", Parts: []node{
				{Type: "multipart/alternative", Parts: []node{text, {Type: "multipart/related", Parts: []node{html, leafLogo}}}}, leafPDF, leafCSV}}},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			_, got := read(t, write(t, &tt.m))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTextsArriveAsTheyWere(t *testing.T) {
	for about, text := range map[string]string{
		"ASCII": "a\nb\n", "umlauts": "Grüße aus Köln\n", "Japanese": strings.Repeat("こんにちは\n", 50), "a dot": ".\n..\n",
		"a long line": strings.Repeat("x", 5000) + "\n", "blanks at the end": "a  \t\nb \n", "control characters": "a\x00b\x07\n",
		"a boundary": "--=_\n", "all line ends": "a\rb\r\nc\n", "From": "From here\n", "lone surrogate": "\xed\xa0\x80 \xff\n",
	} {
		t.Run(about, func(t *testing.T) {
			_, got := read(t, write(t, &compose.Message{Text: text, HTML: text}))
			want := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(text)
			if got.Parts[0].Body != want || got.Parts[1].Body != want {
				t.Errorf("%q and %q, want %q", got.Parts[0].Body, got.Parts[1].Body, want)
			}
		})
	}
}

func TestFieldsAreEncodedAndFolded(t *testing.T) {
	long := strings.Repeat("Grüße und Küsse ", 30)
	text := write(t, &compose.Message{Text: "x", Fields: []compose.Field{
		{Name: "From", Value: compose.Mailbox(`"Jörg \"der\" Müller" <ann@example.org>`)}, {Name: "Subject", Value: long}, {Name: "X-Plain", Value: "a =?x?= b"},
	}})
	h, _ := read(t, text)
	from, err := mail.ParseAddress(h.Get("From"))
	if err != nil || from.Name != `Jörg "der" Müller` || from.Address != "ann@example.org" {
		t.Errorf("From is read as %v, %v", from, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || strings.TrimSpace(subject) != strings.TrimSpace(long) {
		t.Errorf("Subject is read as %q, %v", subject, err)
	}
	if h.Get("X-Plain") != "a =?x?= b" {
		t.Errorf("X-Plain is %q", h.Get("X-Plain"))
	}
	if _, err := message.Scan(text[:bytes.Index(text, []byte("\r\n\r\n"))+4]); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeWrittenIsSaid(t *testing.T) {
	for about, m := range map[string]compose.Message{
		"a name with a blank":   {Fields: []compose.Field{{Name: "a b", Value: "x"}}},
		"a line end in a field": {Fields: []compose.Field{{Name: "Subject", Value: "a\r\nBcc: eve@example.net"}}},
		"a type that is none":   {Attachments: []compose.Attachment{{Type: "pdf", Open: open("")}}},
		"a type with a line":    {Attachments: []compose.Attachment{{Type: "a/b\r\nX: y", Open: open("")}}},
		"a file with a line":    {Attachments: []compose.Attachment{{Name: "a\nb", Open: open("")}}},
		"an id in brackets":     {Attachments: []compose.Attachment{{ContentID: "<a>", Open: open("")}}},
	} {
		if err := m.Check(); err == nil {
			t.Errorf("%s was let pass", about)
		}
	}
}

func TestALargeAttachmentIsNotHeld(t *testing.T) {
	const size = 8 << 20
	m := compose.Message{Text: "x", Attachments: []compose.Attachment{{Name: "a", Open: func() io.Reader { return io.LimitReader(rand.Reader, size) }}}}
	got := testing.AllocsPerRun(1, func() {
		if err := m.Write(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
	if got > 500 {
		t.Errorf("%v allocations for one attachment", got)
	}
}

func ExampleMessage_Write() {
	m := compose.Message{
		Fields: []compose.Field{{Name: "From", Value: "ann@example.org"}, {Name: "Subject", Value: "Grüße"}},
		Text:   "Hello\n",
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(b.String(), "\r\n", "\n"))
	// Output:
	// From: ann@example.org
	// Subject: =?UTF-8?b?R3LDvMOfZQ==?=
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=us-ascii
	// Content-Transfer-Encoding: 7bit
	//
	// Hello
}
