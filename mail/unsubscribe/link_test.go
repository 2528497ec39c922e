package unsubscribe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
)

var key = unsubscribe.Key("an example key of 32 octets, yes")

func link(t testing.TB, to, list string) unsubscribe.Link {
	t.Helper()
	id, err := mail.ParseID("0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000")
	if err != nil {
		t.Fatal(err)
	}
	a, err := mail.ParseAddress(to)
	if err != nil {
		t.Fatal(err)
	}
	return unsubscribe.Link{ID: id, Account: "000000000042", List: list, To: a}
}

func TestATokenSaysWhatWasWritten(t *testing.T) {
	domain := strings.Repeat(strings.Repeat("d", 61)+".", 3) + "org"
	for _, l := range []unsubscribe.Link{
		link(t, "ann@example.org", "news"),
		link(t, `"a b@c news"@example.org`, "n"),
		link(t, "Ann@[192.0.2.1]", strings.Repeat("n", 64)),
		link(t, strings.Repeat("l", 64)+"@"+domain, strings.Repeat("n", 64)),
	} {
		token := key.Write(l)
		if got, err := key.Read(token); err != nil || got != l {
			t.Errorf("%s: %+v, %v; want %+v", token, got, err, l)
		}
		if len(token) > unsubscribe.MaxToken || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%d octets: %s", len(token), token)
		}
	}
}

// Links of mail that left years ago must be read for ever.
func TestATokenOfTheFirstReleaseIsRead(t *testing.T) {
	const token = "AYuDddFJs6kBIDflSHOmDbZPcOZ3yzAwMDAwMDAwMDA0MgRuZXdzYW5uQGV4YW1wbGUub3JnzqQQMwCJirFo7-Oocl7oAg1"
	want := link(t, "ann@example.org", "news")
	if got, err := key.Read(token); err != nil || got != want {
		t.Errorf("%+v, %v; today it is %s", got, err, key.Write(want))
	}
}

func TestATokenThatIsNotOursIsRefused(t *testing.T) {
	good := key.Write(link(t, "ann@example.org", "news"))
	other := unsubscribe.Key("another key of 32 octets, surely").Write(link(t, "ann@example.org", "news"))
	tokens := []string{"", "1", "A1", other, good + "1", good[:len(good)-1], good[:len(good)-1] + "2", " " + good,
		strings.ToLower(good), good[:len(good)-1] + "=1", strings.Repeat("A", 1<<20) + "1"}
	for i := range good {
		tokens = append(tokens, good[:i]) // cut off
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		tokens = append(tokens, good[:i]+string(c)+good[i+1:]) // one letter is another
	}
	for _, token := range tokens {
		if l, err := key.Read(token); !errors.Is(err, unsubscribe.ErrToken) || l != (unsubscribe.Link{}) {
			t.Errorf("%.80q: %+v, %v", token, l, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(key.Write(link(f, "ann@example.org", "news")))
	f.Add("1")
	f.Fuzz(func(t *testing.T, token string) {
		if l, err := key.Read(token); err == nil && key.Write(l) != token {
			t.Errorf("%q is read as %+v", token, l)
		}
	})
}

func ExampleKey_Read() {
	to, _ := mail.ParseAddress("ann@example.org")
	token := key.Write(unsubscribe.Link{Account: "000000000042", List: "news", To: to})
	l, err := key.Read(token)
	fmt.Println(l.To, "leaves", l.List, err)
	_, err = key.Read("A" + token)
	fmt.Println(err)
	// Output:
	// ann@example.org leaves news <nil>
	// not a token of an unsubscribe link
}
