package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/queue"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const rawText = "From: Ann <ann@example.org>\nTo: bob@example.net, Cy <cy@example.net>\nCc: di@example.net\nBcc: eve@example.net\n\nhi\n"

var rawForm = "Action=SendRawEmail&RawMessage.Data=" + url.QueryEscape(b64(rawText))

// sent gives the one message that the desk took.
func (h *house) sent(a answer) (from string, to []string, text string) {
	h.t.Helper()
	if a.status != 200 || !strings.Contains(a.body, id) {
		h.t.Fatalf("%d %s: %s", a.status, a.code, a.message)
	}
	if len(h.desk.got) != 1 {
		h.t.Fatalf("%d messages at the desk", len(h.desk.got))
	}
	r := h.desk.got[0]
	for _, p := range r.To {
		to = append(to, p.String())
	}
	text, h.desk.texts = h.desk.texts[0], nil
	h.desk.got = nil
	return r.From.String(), to, text
}

func TestTheEnvelopeOfARawMessage(t *testing.T) {
	crlf := strings.ReplaceAll(rawText, "\n", "\r\n")
	back := "Return-Path: <back@example.org>\n" + rawText
	all := []string{"bob@example.net", "cy@example.net", "di@example.net", "eve@example.net"}
	tests := []struct {
		about, form, json string
		from              string
		to                []string
		text              string
	}{
		{"nothing is given", "RawMessage.Data=" + url.QueryEscape(b64(rawText)), `{"Content":{"Raw":{"Data":"` + b64(rawText) + `"}}}`,
			"ann@example.org", all, crlf},
		{"recipients are given", "Destinations.member.1=x@example.net&RawMessage.Data=" + url.QueryEscape(b64(rawText)),
			`{"Destination":{"BccAddresses":["x@example.net"]},"Content":{"Raw":{"Data":"` + b64(rawText) + `"}}}`,
			"ann@example.org", []string{"x@example.net"}, crlf},
		{"the sender is given", "RawMessage.Data=" + url.QueryEscape(b64(back)) + "&Source=" + url.QueryEscape("Amy <amy@example.org>"),
			`{"FromEmailAddress":"Amy <amy@example.org>","Content":{"Raw":{"Data":"` + b64(back) + `"}}}`,
			"amy@example.org", all, "Return-Path: <back@example.org>\r\n" + crlf},
		{"Return-Path stands in the message", "RawMessage.Data=" + url.QueryEscape(b64(back)), `{"Content":{"Raw":{"Data":"` + b64(back) + `"}}}`,
			"back@example.org", all, "Return-Path: <back@example.org>\r\n" + crlf},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			h := newHouse(t)
			for _, a := range []func() answer{func() answer { return h.query("Action=SendRawEmail&" + tt.form) }, func() answer { return h.send(tt.json) }} {
				from, to, text := h.sent(a())
				if from != tt.from || text != tt.text {
					t.Errorf("from %s, %q", from, text)
				}
				if diff := cmp.Diff(tt.to, to); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestBinaryDataIsFoundHoweverItIsWritten has the same message in all the ways in
// which programs write it.
func TestBinaryDataIsFoundHoweverItIsWritten(t *testing.T) {
	text := "From: ann@example.org\r\nTo: bob@example.net\r\n\r\n" + strings.Repeat("??>>~~\r\n", 20_000)
	data := b64(text)
	if !strings.ContainsAny(data, "/+") {
		t.Fatal("nothing to escape")
	}
	lines := func(s, end string) string {
		var b strings.Builder
		for len(s) > 76 {
			b.WriteString(s[:76] + end)
			s = s[76:]
		}
		return b.String() + s
	}
	for about, body := range map[string]string{
		"plain":               `{"Content":{"Raw":{"Data":"` + data + `"}}}`,
		"escaped slashes":     `{"Content":{"Raw":{"Data":"` + strings.ReplaceAll(data, "/", `\/`) + `"}}}`,
		"escaped by numbers":  `{"Content":{"Raw":{"Data":"` + strings.NewReplacer("+", `\u002b`, "=", `\u003D`).Replace(data) + `"}}}`,
		"in lines":            `{"Content":{"Raw":{"Data":"` + lines(data, `\r\n`) + `"}}}`,
		"a name with escapes": `{"Content":{"R\u0061w":{"\u0044ata":"` + data + `"}}}`,
		"blanks and order":    "{ \"EmailTags\" : [ ] ,\n \"Content\" :\t{ \"Raw\" : { \"Data\" : \"" + data + "\" } } , \"Unknown\":{\"Raw\":[{\"Data\":\"x\"}]} }",
	} {
		h := newHouse(t)
		if _, _, got := h.sent(h.send(body)); got != text {
			t.Errorf("%s: another text of %d octets", about, len(got))
		}
	}
	for about, form := range map[string]string{
		"plain":           "Action=SendRawEmail&RawMessage.Data=" + url.QueryEscape(data),
		"data first":      "RawMessage.Data=" + url.QueryEscape(data) + "&Action=SendRawEmail&Version=2010-12-01",
		"plus as it is":   "Action=SendRawEmail&RawMessage.Data=" + data + "&Version=2010-12-01",
		"in lines":        "Action=SendRawEmail&RawMessage.Data=" + url.QueryEscape(lines(data, "\n")),
		"an escaped name": "Action=SendRawEmail&RawMessage%2EData=" + url.QueryEscape(data),
	} {
		h := newHouse(t)
		if _, _, got := h.sent(h.query(form)); got != text {
			t.Errorf("%s: another text of %d octets", about, len(got))
		}
	}
}

func TestSimpleMailIsComposed(t *testing.T) {
	h := newHouse(t)
	a := h.send(`{"FromEmailAddress":"Jörg <ann@example.org>","Destination":{"ToAddresses":["bob@example.net"],"CcAddresses":["Cy <cy@example.net>"],
		"BccAddresses":["eve@example.net"]},"ReplyToAddresses":["help@example.org"],"FeedbackForwardingEmailAddress":"back@example.org",
		"Content":{"Simple":{"Subject":{"Data":"Grüße"},"Body":{"Html":{"Data":"<p>hi</p>"}},"Headers":[{"Name":"X-Campaign","Value":"7"}],
		"Attachments":[{"FileName":"a.txt","RawContent":"` + b64("attached") + `","ContentDisposition":"ATTACHMENT"}]}},
		"EmailTags":[{"Name":"campaign","Value":"spring"}],"ConfigurationSetName":"main","Other":1}`)
	r := h.desk.got[0]
	from, to, text := h.sent(a)
	if from != "back@example.org" || strings.Join(to, " ") != "bob@example.net cy@example.net eve@example.net" {
		t.Errorf("from %s to %v", from, to)
	}
	if r.Operation != "SendEmail" || r.Source != "Jörg <ann@example.org>" || r.ConfigurationSet != "main" ||
		!cmp.Equal(r.Tags, []queue.Tag{{Name: "campaign", Value: "spring"}}) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"From: =?UTF-8?b?SsO2cmc=?= <ann@example.org>\r\n", "To: bob@example.net\r\n", "Cc: Cy <cy@example.net>\r\n",
		"Reply-To: help@example.org\r\n", "X-Campaign: 7\r\n", "multipart/mixed", "<p>hi</p>", b64("attached")} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "eve@") {
		t.Error("Bcc is shown")
	}
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	h := newHouse(t)
	send := func(change func(m map[string]any)) answer {
		m := map[string]any{"FromEmailAddress": "ann@example.org", "Destination": map[string]any{"ToAddresses": []string{"bob@example.net"}},
			"Content": map[string]any{"Simple": map[string]any{"Subject": map[string]any{"Data": "x"}, "Body": map[string]any{"Text": map[string]any{"Data": "y"}}}}}
		change(m)
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return h.send(string(body))
	}
	simple := func(m map[string]any) map[string]any { return m["Content"].(map[string]any)["Simple"].(map[string]any) }
	tests := []struct {
		about  string
		change func(m map[string]any)
		want   string
	}{
		{"nobody", func(m map[string]any) { m["Destination"] = map[string]any{} }, "Missing required header 'To'."},
		{"too many", func(m map[string]any) {
			m["Destination"] = map[string]any{"ToAddresses": strings.Split(strings.Repeat("b@example.net ", 51)[:51*14-1], " ")}
		}, "Recipient count exceeds 50."},
		{"no sender", func(m map[string]any) { m["FromEmailAddress"] = "ann" }, "Missing final '@domain'"},
		{"a line in an address", func(m map[string]any) { m["FromEmailAddress"] = "a\r\nBcc: x@example.net <ann@example.org>" }, "Local address contains control or whitespace"},
		{"another alphabet in a domain", func(m map[string]any) { m["FromEmailAddress"] = "ann@exämple.org" }, "Domain contains illegal character"},
		{"a line in the subject", func(m map[string]any) { simple(m)["Subject"] = map[string]any{"Data": "a\nBcc: x@example.net"} }, "Header field 'Subject' contains control character"},
		{"a line in a header field", func(m map[string]any) {
			simple(m)["Headers"] = []any{map[string]any{"Name": "X-A", "Value": "a\r\nBcc: x"}}
		}, "Header field 'X-A' contains control character"},
		{"a name of a header field", func(m map[string]any) { simple(m)["Headers"] = []any{map[string]any{"Name": "X A:", "Value": "a"}} }, `Header field name "X A:" contains illegal character`},
		{"a field that is SES's", func(m map[string]any) { simple(m)["Headers"] = []any{map[string]any{"Name": "bcc", "Value": "a"}} }, "Header 'bcc' is not allowed."},
		{"a tag", func(m map[string]any) { m["EmailTags"] = []any{map[string]any{"Name": "a b", "Value": "c"}} }, "Invalid tag name <a b>: only alphanumeric ASCII characters, '_',  '-' are allowed."},
		{"two kinds of content", func(m map[string]any) { m["Content"].(map[string]any)["Raw"] = map[string]any{"Data": b64("x")} }, "Content must be exactly one of Simple, Raw and Template."},
		{"a NUL in a raw message", func(m map[string]any) {
			m["Content"] = map[string]any{"Raw": map[string]any{"Data": b64("From: ann@example.org\n\n\x00")}}
		}, "Message contains a NUL octet."},
		{"a line that is too long", func(m map[string]any) {
			m["Content"] = map[string]any{"Raw": map[string]any{"Data": b64("From: ann@example.org\n\n" + strings.Repeat("x", 70_000))}}
		}, "Message contains a line that is too long."},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if a := send(tt.change); a.status != 400 || a.code != "BadRequestException" || a.message != tt.want {
				t.Errorf("%d %s: %s", a.status, a.code, a.message)
			}
		})
	}
	if a := h.query("Action=SendRawEmail&RawMessage.Data=" + url.QueryEscape(b64("From: a@example.org\nTo: b@example.net\n\n"+strings.Repeat("x\n", 11<<19)))); a.code != "InvalidParameterValue" || !strings.HasPrefix(a.message, "Message length is more than 10485760 bytes long: '") {
		t.Errorf("%d %s: %s", a.status, a.code, a.message)
	}
	if len(h.desk.got) != 0 {
		t.Errorf("%d messages were taken", len(h.desk.got))
	}
}
