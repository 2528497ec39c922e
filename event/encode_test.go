package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
)

var update = flag.Bool("update", false, "write the golden files anew")

// accepted is when the message of the examples came, and id its id.
var accepted = time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)

func messageID(t testing.TB) mail.ID {
	t.Helper()
	m, err := mail.NewMinter([]byte("a key of sixteen"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m.New(accepted)
}

func to(t testing.TB, text string) mail.ForwardPath {
	t.Helper()
	p, err := mail.ParseForwardPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mailObject is that of the examples.
func mailObject(t testing.TB) []byte {
	t.Helper()
	m := event.Mail{Timestamp: event.Instant{Time: accepted}, Source: "news@example.org",
		SourceARN: "arn:aws:ses:local-1:111122223333:identity/example.org", SendingAccountID: "111122223333",
		MessageID: messageID(t).String(), Destination: []string{"ann@example.net", "bob@example.net"},
		Tags: map[string][]string{"ses:operation": {"SendSmtpEmail"}, "campaign": {"spring"},
			"ses:source-ip": {"203.0.113.5"}, "ses:caller-identity": {"AKIAEXAMPLE"}}}
	for _, f := range [][2]string{{"From", `"News, daily" <news@example.org>`}, {"To", "ann@example.net, Bob <bob@example.net>"},
		{"Subject", "Hi <all> & sundry"}, {"X-SES-CONFIGURATION-SET", "main"}, {"Message-Id", "<1@client.example.org>"}} {
		m.Add(f[0], f[1])
	}
	m.CommonHeaders.MessageID = m.MessageID
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// examples are events of every type.
func examples(t *testing.T) map[string]event.Event {
	t.Helper()
	delayed := *mail.Refuse(421, 4, 1, "Unable to connect to remote host")
	return map[string]event.Event{
		"send": {Type: event.Send, Recipients: []event.Recipient{{To: to(t, "ann@example.net")}}},
		"delivery": {Type: event.Delivery, Recipients: []event.Recipient{{To: to(t, "ann@example.net"), Remote: true,
			Reply: mail.Reply{Code: 250, Status: mail.Status{Class: 2}, Text: "Ok: queued as 4F1"}, Host: "mx.example.net",
			Addr: "198.51.100.25:25", TLS: "TLSv1.3", Local: "192.0.2.1"}}},
		"delivery-delay": {Type: event.DeliveryDelay, Recipients: []event.Recipient{{To: to(t, "ann@example.net"),
			Reply: delayed, Expires: accepted.Add(14 * time.Hour)}}},
		"bounce": {Type: event.Bounce, Recipients: []event.Recipient{{To: to(t, "nobody@example.net"), Remote: true,
			Reply: *mail.Refuse(550, 1, 1, "user unknown"), Host: "mx.example.net", Addr: "[2001:db8::25]:25"}}},
		"bounce-expired": {Type: event.Bounce, Recipients: []event.Recipient{{To: to(t, "ann@example.net"), Last: delayed,
			Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7},
				Text: "Message expired: unable to deliver in 840 minutes.<421 4.4.1 Unable to connect to remote host>"}}}},
		"reject": {Type: event.Reject, Recipients: []event.Recipient{{To: to(t, "ann@example.net")}}},
		"complaint": {Type: event.Complaint, Recipients: []event.Recipient{{To: to(t, "ann@example.net")}},
			Report: &event.Report{UserAgent: "ExampleFBL/1.0", FeedbackType: "abuse", Arrival: accepted}},
		"complaint-suppressed": {Type: event.Complaint, Recipients: []event.Recipient{{To: to(t, "ann@example.net"),
			BounceSubType: "OnAccountSuppressionList"}}},
		"bounce-late": {Type: event.Bounce, ReportingMTA: "mx.example.net", Recipients: []event.Recipient{{To: to(t, "ann@example.net"),
			Remote: true, Reply: *mail.Refuse(552, 2, 2, "mailbox full"), BounceType: "Transient", BounceSubType: "MailboxFull"}}},
		"rendering-failure": {Type: event.RenderingFailure, Recipients: []event.Recipient{{To: to(t, "ann@example.net")}},
			Failure: &event.Failure{Template: "Welcome", Text: "Attribute 'firstName' is not present in the rendering data."}},
		"subscription": {Type: event.Subscription, Recipients: []event.Recipient{{To: to(t, "ann@example.net")}},
			Change: &event.Change{List: "news", Source: "UnsubscribeHeader",
				Old: event.Preferences{Topics: []event.Topic{{Name: "spring", In: true}}},
				New: event.Preferences{UnsubscribeAll: true, Topics: []event.Topic{{Name: "spring"}}}}},
	}
}

// checkForms compares events as an encoder writes them with golden files.
func checkForms(t *testing.T, enc event.Encoder, prefix string, examples map[string]event.Event) {
	t.Helper()
	enc.Hostname = "mx1.example.org"
	enc.FeedbackID = func(*event.Event) string { return "0100019c1f2e3d4c-aaaabbbb-4000-8000-eeeeffff0000-000000" }
	for name, e := range examples {
		t.Run(name, func(t *testing.T) {
			e.Message, e.Account, e.Time, e.Mail = messageID(t), "111122223333", accepted.Add(1212*time.Millisecond), mailObject(t)
			line, err := enc.Encode(&e, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			file := filepath.Join("testdata", prefix+name+".json")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

func TestEveryTypeHasTheFormOfSES(t *testing.T) {
	checkForms(t, event.Encoder{}, "", examples(t))
}

func TestNotificationsOfIdentitiesHaveTheFormOfSES(t *testing.T) {
	told, others := examples(t), examples(t)
	maps.DeleteFunc(told, func(_ string, e event.Event) bool { return !event.Notified(e.Type) })
	maps.DeleteFunc(others, func(_ string, e event.Event) bool { return event.Notified(e.Type) })
	checkForms(t, event.Encoder{Notification: true}, "notification-", told)
	withHeaders := func(t event.Type) bool { return t == event.Bounce }
	checkForms(t, event.Encoder{Notification: true, Headers: withHeaders}, "notification-headers-",
		map[string]event.Event{"bounce": told["bounce"], "delivery": told["delivery"]})
	for name, e := range others {
		if line, err := (&event.Encoder{Notification: true}).Encode(&e, 0); err == nil {
			t.Errorf("%s gave %s", name, line)
		}
	}
}

func TestHeadersEndAtTenKilobytes(t *testing.T) {
	var m event.Mail
	for i := range 200 {
		m.Add(fmt.Sprint("X-", i), strings.Repeat("x", 100))
	}
	m.Add("Subject", "late")
	size := 0
	for _, h := range m.Headers {
		size += len(h.Name) + len(h.Value) + 4
	}
	if !m.HeadersTruncated || size >= 10<<10 || size < 9<<10 {
		t.Errorf("truncated %v, %d octets", m.HeadersTruncated, size)
	}
	if m.CommonHeaders.Subject != "late" {
		t.Errorf("subject %q", m.CommonHeaders.Subject)
	}
}

func TestRecipientsOfDifferentRepliesArePartedWherePublishedTogether(t *testing.T) {
	a := event.Recipient{To: to(t, "a@example.net"), Reply: mail.Reply{Code: 250, Text: "one"}}
	b := event.Recipient{To: to(t, "b@example.net"), Reply: mail.Reply{Code: 250, Text: "two"}}
	if parts := event.Split(event.Delivery, []event.Recipient{a, b, a}); len(parts) != 2 || len(parts[0]) != 2 {
		t.Errorf("got %v", parts)
	}
	gone := event.Recipient{To: to(t, "c@example.net"), Reply: *mail.Refuse(550, 1, 1, "unknown")}
	late := event.Recipient{To: to(t, "d@example.net"), Reply: mail.Reply{Code: 550, Status: mail.Status{Class: 4, Subject: 4, Detail: 7}}}
	if parts := event.Split(event.Bounce, []event.Recipient{gone, late, gone}); len(parts) != 2 {
		t.Errorf("got %v", parts)
	}
}

func TestAnEventWithoutMailObjectStillNamesItsMessage(t *testing.T) {
	e := event.Event{Type: event.Send, Message: messageID(t), Account: "111122223333", Time: accepted}
	line, err := new(event.Encoder).Encode(&e, 7)
	if err != nil || !bytes.Contains(line, []byte(messageID(t).String())) || !bytes.HasSuffix(line, []byte(`"sequence":7}`)) {
		t.Errorf("%s, %v", line, err)
	}
}

func TestALineSaysOfWhatCannotBeWrittenThatThereWasSomething(t *testing.T) {
	r := event.Record{Seq: 7, Event: event.Event{Type: event.Bounce, Message: messageID(t), Account: "111122223333", Time: accepted,
		Recipients: []event.Recipient{{To: to(t, "a@example.net")}}, Mail: []byte("{")}}
	mailObject := `"mail":{"timestamp":"` + r.Event.Message.Time().UTC().Format("2006-01-02T15:04:05.000Z") + `","source":"","sendingAccountId":"111122223333","messageId":"` +
		messageID(t).String() + `","destination":["a@example.net"]`
	rest := `"unreadable":{"eventType":"Bounce","timestamp":"` + accepted.UTC().Format("2006-01-02T15:04:05.000Z") + `"}`
	var causes []error
	tell := func(got event.Record, err error) {
		if got.Seq == r.Seq {
			causes = append(causes, err)
		}
	}
	for want, line := range map[string][]byte{
		`{"eventType":"Unreadable",` + mailObject + `,"headersTruncated":false,"headers":[],"commonHeaders":{},"tags":{}},` + rest + `,"sequence":7}`: (&event.Encoder{Unreadable: tell}).Line(r, true),
		`{"notificationType":"Unreadable",` + mailObject + `},` + rest + "}":                                                                          (&event.Encoder{Unreadable: tell, Notification: true}).Line(r, false),
	} {
		if string(line) != want {
			t.Errorf("got\n%s\nwant\n%s", line, want)
		}
	}
	if len(causes) != 2 || causes[0] == nil {
		t.Errorf("told %v", causes)
	}
}

func ExampleMail() {
	m := event.Mail{Timestamp: event.Instant{Time: accepted}, Source: "ann@example.org"}
	m.Add("To", `"Last, First" <bob@example.net>, eve@example.com`)
	for _, to := range m.CommonHeaders.To {
		fmt.Println(to)
	}
	// Output:
	// "Last, First" <bob@example.net>
	// eve@example.com
}

func FuzzAMailObjectIsJSONWhateverTheFieldsHold(f *testing.F) {
	f.Add("To", `"a, b" <c@example.net>, (x, \) y) d@example.org`)
	f.Add("Subject", "\xff\x00\u2028</script>")
	f.Add("cc", `"\`)
	f.Add("message-id", "<1@client.example.org>\x85")
	f.Fuzz(func(t *testing.T, name, value string) {
		var m, again event.Mail
		m.Add(name, value)
		m.Add(name, value)
		text, err := m.Encode()
		if err != nil || bytes.ContainsAny(text, "\r\n") {
			t.Fatalf("%q, %v", text, err)
		}
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		e := event.Event{Type: event.Delivery, Mail: text}
		all := func(event.Type) bool { return true }
		for _, enc := range []event.Encoder{{}, {Notification: true}, {Notification: true, Headers: all}} {
			line, err := enc.Encode(&e, 1)
			if err != nil || !json.Valid(line) || bytes.ContainsAny(line, "\r\n") || bytes.Contains(line, []byte(`"clientMessageId":`)) {
				t.Errorf("%q, %v", line, err)
			}
		}
	})
}

func TestTheOutboxTakesTheNameOfEveryDestination(t *testing.T) {
	long := "identity:" + strings.Repeat("a/b", 100) + "@example.org"
	one, two := event.DestinationConsumer("000000000001", long, "app"), event.DestinationConsumer("000000000001", long+"x", "app")
	if len(one) > 255 || one == two || !event.IsDestination(one) {
		t.Errorf("got %q and %q", one, two)
	}
	if got := event.DestinationConsumer("000000000001", "identity:example.org", "app"); got != "to/000000000001/identity:example.org/app" {
		t.Errorf("got %q", got)
	}
}
