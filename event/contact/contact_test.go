package contact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/mail"
)

// desk keeps what is submitted.
type desk struct {
	mu   sync.Mutex
	got  []event.Notice
	fail error
}

func (d *desk) SubmitNotice(ctx context.Context, n event.Notice) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.got = append(d.got, n)
	return nil
}

var shop = account.Account{ID: "123456789012", Name: "shop", MaxDay: 200, Contact: "ann@example.org"}

func mailer(t testing.TB, d *desk) *contact.Mailer {
	t.Helper()
	minter, err := mail.NewMinter(bytes.Repeat([]byte{7}, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return contact.New(contact.Options{Domain: "mx1.example.com", Submit: d, Minter: minter, Keys: func() []string { return []string{"key"} }})
}

func TestAContactIsToldByAMailOfOurOwn(t *testing.T) {
	d := &desk{}
	m := mailer(t, d)
	m.Tell(t.Context(), shop, contact.QuotaNear(shop, 170, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)))
	if len(d.got) != 1 {
		t.Fatalf("%d mails", len(d.got))
	}
	n := d.got[0]
	if n.To.String() != "ann@example.org" || n.Account != account.SystemID || n.ID.IsZero() || len(n.Keys) != 1 {
		t.Errorf("%+v", n)
	}
	for _, want := range []string{
		"From: no-reply@mx1.example.com\r\n", "To: ann@example.org\r\n", "Auto-Submitted: auto-generated\r\n",
		"Subject: Daily quota of account shop is nearly used up\r\n", "Message-ID: <" + n.ID.String() + "@mx1.example.com>\r\n",
	} {
		if !strings.Contains(string(n.Header), want) {
			t.Errorf("no %q in\n%s", want, n.Header)
		}
	}
	if !bytes.HasSuffix(n.Header, []byte("\r\n\r\n")) {
		t.Error("the header section does not end")
	}
	if body := string(n.Body); !strings.Contains(body, "170 recipients in the last 24 hours, of 200") ||
		strings.Count(body, "\n") != strings.Count(body, "\r\n") {
		t.Errorf("%q", n.Body)
	}
}

func TestNobodyIsToldWithoutAContact(t *testing.T) {
	d := &desk{}
	m := mailer(t, d)
	m.Tell(t.Context(), account.Account{Name: "shop"}, contact.Resumed(shop))
	(*contact.Mailer)(nil).Tell(t.Context(), shop, contact.Resumed(shop))
	if len(d.got) != 0 {
		t.Errorf("%d mails", len(d.got))
	}
}

func TestANoteThatIsToldTwiceIsOneMail(t *testing.T) {
	d := &desk{}
	m := mailer(t, d)
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	other := shop
	other.ID = "210987654321"
	for _, x := range []struct {
		account.Account
		contact.Note
	}{
		{shop, contact.Note{Subject: "a", At: at}}, {shop, contact.Note{Subject: "a", At: at}},
		{shop, contact.Note{Subject: "b", At: at}}, {shop, contact.Note{Subject: "a", At: at.Add(time.Second)}}, {other, contact.Note{Subject: "a", At: at}},
	} {
		if err := m.Mail(t.Context(), x.Account, x.Note); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[mail.ID]int{}
	for _, n := range d.got {
		ids[n.ID]++
	}
	if len(ids) != 4 || ids[d.got[0].ID] != 2 || !d.got[0].ID.Time().Equal(at) {
		t.Errorf("%v", ids)
	}
}

func TestWhoTellsHearsThatItFailedAndIsNotBrokenOff(t *testing.T) {
	d := &desk{}
	m := mailer(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Mail(ctx, shop, contact.Resumed(shop)); err != nil || len(d.got) != 1 {
		t.Errorf("%v, %d mails", err, len(d.got))
	}
	d.fail = errors.New("disk is full")
	if err := m.Mail(ctx, shop, contact.Resumed(shop)); !errors.Is(err, d.fail) {
		t.Errorf("%v", err)
	}
}

func TestAReputationIsOfTheTimeOfItsLastChange(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	n := contact.Reputation(shop, []reputation.Change{{Rating: reputation.Rating{Since: at}}, {Rating: reputation.Rating{Since: at.Add(-time.Hour)}}})
	if !n.At.Equal(at) {
		t.Errorf("at %v", n.At)
	}
}

func TestTheSubjectSaysTheWorstOfAReputation(t *testing.T) {
	change := func(from, to reputation.State) reputation.Change {
		return reputation.Change{From: from, Rating: reputation.Rating{
			Subject: reputation.Subject{Account: shop.ID, Kind: reputation.ConfigSet, Name: "news"}, State: to,
			Bounces: reputation.Rate{Mails: 2000, Bad: 101}}}
	}
	for to, want := range map[reputation.State][]string{
		reputation.Healthy: {"Reputation of account shop has changed", "configset news: healthy after review, 101 hard bounces among 2000 mails (5.05 %)"},
		reputation.Review:  {"Reputation of account shop has changed", "Mail goes on. Find out"},
		reputation.Severe:  {"Reputation of account shop has changed", "at such rates"},
		reputation.Paused:  {"Sending paused for account shop: too many bounces or complaints", "until the operator resumes"},
	} {
		n := contact.Reputation(shop, []reputation.Change{change(reputation.Review, to), change(reputation.Review, reputation.Healthy)})
		if n.Subject != want[0] || !strings.Contains(n.Text, want[1]) || !strings.Contains(n.Text, "shop (123456789012)") {
			t.Errorf("%s: %q\n%s", to, n.Subject, n.Text)
		}
	}
}

func ExamplePaused() {
	n := contact.Paused(account.Account{ID: "123456789012", Name: "shop"}, false)
	fmt.Println(n.Subject)
	fmt.Println(n.Text)
	// Output:
	// Sending paused for account shop
	// Sending was paused for the account shop (123456789012) by the operator of the mail server.
	// Messages are refused until it is resumed; what was accepted before is still delivered.
}
