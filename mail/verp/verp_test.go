package verp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/verp"
)

func minter(t testing.TB) *mail.Minter {
	t.Helper()
	m, err := mail.NewMinter([]byte("a key that is secret and stays"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func Example() {
	id, _ := mail.ParseID("0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000")
	a, err := verp.Address(id, "bounce.example.org")
	fmt.Println(a, err)
	back, ok := verp.ID(a)
	fmt.Println(back == id, ok)
	// Output:
	// 0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000@bounce.example.org <nil>
	// true true
}

func TestAnAddressIsReadInAnyCase(t *testing.T) {
	m := minter(t)
	id := m.New(time.Now())
	a, err := verp.Address(id, "Mail.Example.ORG")
	if err != nil || a.Domain() != "mail.example.org" {
		t.Fatalf("%s, %v", a, err)
	}
	upper, err := mail.ParseAddress(strings.ToUpper(a.String()))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := verp.ID(upper)
	if !ok || got != id || !m.Verify(got) {
		t.Errorf("read %s from %s", got, upper)
	}
}

func TestWhatIsNoSuchAddressIsNotRead(t *testing.T) {
	id := minter(t).New(time.Now()).String()
	for _, local := range []string{"ann", id[1:], id + "0", "x" + id[1:], id[:59] + "1", "postmaster"} {
		a, err := mail.ParseAddress(local + "@example.org")
		if err != nil {
			continue
		}
		if _, ok := verp.ID(a); ok {
			t.Errorf("%s was read", a)
		}
	}
	if _, ok := verp.ID(mail.Address{}); ok {
		t.Error("no address at all was read")
	}
	if _, err := verp.Address(mail.ID{}, "not a domain"); err == nil {
		t.Error("an address at no domain")
	}
}

func TestIDsAreFoundInText(t *testing.T) {
	m := minter(t)
	a, b := m.New(time.Now()), m.New(time.Now())
	text := "Received: by mx with ESMTP id " + a.String() + ";\r\nMessage-ID: <" + strings.ToUpper(b.String()) +
		"@example.org>\r\nX-Again: " + a.String() + " 0100018b8375d149-b3a9"
	got := verp.Find([]byte(text), 10)
	if len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("found %v", got)
	}
	if got := verp.Find([]byte(text), 1); len(got) != 1 {
		t.Errorf("found %d, at most 1 was asked for", len(got))
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, id := range verp.Find(text, 5) {
			if !strings.Contains(strings.ToLower(string(text)), id.String()) {
				t.Errorf("%s is not in the text", id)
			}
		}
	})
}
