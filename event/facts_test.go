package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// facts are those of mailObject.
func facts(t testing.TB) event.Facts {
	t.Helper()
	return event.Facts{Message: messageID(t), Account: "111122223333", Accepted: accepted, Source: "news@example.org",
		SourceARN: "arn:aws:ses:local-1:111122223333:identity/example.org", Destination: []string{"ann@example.net", "bob@example.net"},
		Tags: []string{"campaign", "spring", "ses:operation", "SendSmtpEmail", "ses:source-ip", "203.0.113.5", "ses:caller-identity", "AKIAEXAMPLE"},
		Header: []byte("From: \"News, daily\" <news@example.org>\r\nTo: ann@example.net,\r\n Bob <bob@example.net>\r\nSubject: Hi <all> & sundry\r\n" +
			"X-SES-CONFIGURATION-SET: main\r\nMessage-Id: <1@client.example.org>\r\n\r\n")}
}

// scan takes a header section apart as submission does. What could not be rendered has
// none.
func scan(header []byte) (*message.Section, error) {
	if len(header) == 0 {
		return &message.Section{}, nil
	}
	return message.Limits{EightBit: func(string) bool { return true }}.Scan(header)
}

// both gives what is read of facts as they are kept, and of the object that was made
// of them at once and kept as JSON, as it was before.
func both(t testing.TB, f event.Facts) (now, before *event.Mail) {
	t.Helper()
	section, err := scan(f.Header)
	if err != nil {
		t.Fatal(err)
	}
	m := event.Mail{Timestamp: event.Instant{Time: f.Accepted}, Source: f.Source, SourceARN: f.SourceARN, SendingAccountID: f.Account,
		MessageID: f.Message.String(), Destination: f.Destination, Tags: map[string][]string{}}
	for i := 0; i < len(f.Tags); i += 2 {
		m.Tags[f.Tags[i]] = append(m.Tags[f.Tags[i]], f.Tags[i+1])
	}
	if f.Received != "" {
		m.Add("Received", f.Received)
	}
	for _, field := range section.Fields {
		m.Add(field.Name, field.Value())
	}
	m.HeadersTruncated = m.HeadersTruncated || len(f.Header) >= 10<<10
	m.CommonHeaders.MessageID = m.MessageID
	old, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		kept []byte
		into **event.Mail
	}{{kept, &now}, {old, &before}} {
		if *x.into, err = event.ReadMail(f.Message, f.Account, x.kept); err != nil {
			t.Fatal(err)
		}
	}
	return now, before
}

// told is an object as it is written into events.
func told(t testing.TB, m *event.Mail) string {
	t.Helper()
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheMailObjectIsTheSameWheneverItIsMade(t *testing.T) {
	for name, change := range map[string]func(*event.Facts){
		"as it is":             func(*event.Facts) {},
		"by SMTP":              func(f *event.Facts) { f.Received = "from a by b; now" },
		"no header, nobody":    func(f *event.Facts) { f.Header, f.Destination, f.Tags = nil, nil, nil },
		"many values of a tag": func(f *event.Facts) { f.Tags = append(f.Tags, "campaign", "summer") },
		"octets that are no UTF-8": func(f *event.Facts) {
			f.Header = []byte("X-SES-MESSAGE-TAGS: a=\xff\xfe\x80\r\n\r\n")
			f.Source = "\xffa@b"
		},
		"cut at 10 KB":        func(f *event.Facts) { f.Header = append([]byte("A: "+strings.Repeat("x", 11<<10)+"\r\n"), f.Header...) },
		"cut by its Received": func(f *event.Facts) { f.Received = strings.Repeat("x", 10<<10) },
		"almost cut":          func(f *event.Facts) { f.Header = []byte("A: " + strings.Repeat("x", 10<<10-6) + "\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			f := facts(t)
			change(&f)
			if f.Destination == nil {
				f.Destination = []string{}
			}
			now, before := both(t, f)
			if diff := cmp.Diff(told(t, before), told(t, now)); diff != "" {
				t.Errorf("-before +now\n%s", diff)
			}
		})
	}
	f := facts(t)
	now, _ := both(t, f)
	var golden event.Mail
	if err := json.Unmarshal(mailObject(t), &golden); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(told(t, &golden), told(t, now)); diff != "" {
		t.Errorf("the object of the golden files\n%s", diff)
	}
}

func TestWhatIsNoMailObjectIsAnError(t *testing.T) {
	f := facts(t)
	kept, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, {}, {9}, {1}, []byte("{"), kept[:len(kept)-3], append([]byte{2}, kept[1:]...)} {
		if m, err := event.ReadMail(f.Message, f.Account, bad); err == nil || !strings.Contains(err.Error(), f.Message.String()) {
			t.Errorf("%q gives %+v, %v", bad, m, err)
		}
	}
}

func ExampleFacts() {
	f := event.Facts{Account: "111122223333", Accepted: accepted, Source: "ann@example.org", Header: []byte("Subject: Hi\r\n\r\n")}
	kept, err := f.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := event.ReadMail(mail.ID{}, f.Account, kept)
	fmt.Println(m.CommonHeaders.Subject, err)
	// Output: Hi <nil>
}

func FuzzTheMailObjectIsTheSameWheneverItIsMade(f *testing.F) {
	f.Add("Received of us", "To: \"a, b\" <c@example.net>,\r\n d@example.org\r\nX-Y: \xff\x00\r\n\r\n", "n", "v")
	f.Add("", "Message-ID: <a@b>\r\nmessage-id: <c@d>\r\n", "ses:x", "\x80")
	f.Fuzz(func(t *testing.T, received, header, name, value string) {
		if _, err := scan([]byte(header)); err != nil || len(name) == 1 && name[0] < ' ' {
			return // never accepted: no header section, or no name of a tag
		}
		x := facts(t)
		x.Received, x.Header, x.Tags = received, []byte(header), []string{name, value}
		now, before := both(t, x)
		if a, b := told(t, before), told(t, now); a != b {
			t.Errorf("before %s\nnow    %s", a, b)
		}
	})
}

func FuzzReadMail(f *testing.F) {
	kept, err := (&event.Facts{Header: []byte("A: b\r\n\r\n")}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	f.Add([]byte(`{"tags":{}}`))
	f.Fuzz(func(t *testing.T, kept []byte) {
		if m, err := event.ReadMail(mail.ID{}, "", kept); err == nil {
			told(t, m)
		}
	})
}
