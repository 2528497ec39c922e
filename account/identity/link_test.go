package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/mail"
)

const ann = "ann@example.org"

// restart asks for a link.
func (w *watched) restart(name string) string {
	w.t.Helper()
	_, link, err := w.Restart(w.t.Context(), alice, name)
	if err != nil || link == "" {
		w.t.Fatalf("link %q, %v", link, err)
	}
	return link
}

func TestAnAddressIsVerifiedByTheLinkInTheMail(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		i := add(t, w.Book, alice, ann, identity.AddOptions{})
		if i.Verified || i.Verification.State != identity.NotStarted {
			t.Fatalf("%+v", i)
		}
		link := w.restart(ann)
		w.is(ann, "PENDING", "NOT_STARTED")
		for range 3 {
			if i, err := w.Linked(link); err != nil || i.Name != ann || i.Verified {
				t.Fatalf("looked at: %+v, %v", i, err)
			}
		}
		if i, err := w.Confirm(t.Context(), link); err != nil || !i.Verified {
			t.Fatalf("%+v, %v", i, err)
		}
		w.is(ann, "SUCCESS", "NOT_STARTED")
		if _, ok := w.Covers(alice, must(mail.ParseAddress("Ann+news@example.org"))); !ok {
			t.Error("not covered")
		}
		if _, err := w.Confirm(t.Context(), link); !errors.Is(err, identity.ErrLink) {
			t.Errorf("a second time: %v", err)
		}
		if _, err := w.Linked(link); !errors.Is(err, identity.ErrLink) {
			t.Errorf("looked at after use: %v", err)
		}
		if _, _, err := w.Restart(t.Context(), alice, ann); !errors.Is(err, identity.ErrSetting) {
			t.Errorf("another link for a verified address: %v", err)
		}
		w.after(365 * 24 * time.Hour)
		w.is(ann, "SUCCESS", "NOT_STARTED")
	})
}

func TestALinkIsGoodForADayAndOnlyTheLastOneIs(t *testing.T) {
	watch(t, identity.Options{}, func(t *testing.T, w *watched) {
		add(t, w.Book, alice, ann, identity.AddOptions{})
		first := w.restart(ann)
		if _, _, err := w.Restart(t.Context(), alice, ann); !errors.Is(err, identity.ErrSoon) {
			t.Errorf("a second mail at once: %v", err)
		}
		w.after(2 * time.Minute)
		second := w.restart(ann)
		if _, err := w.Confirm(t.Context(), first); !errors.Is(err, identity.ErrLink) {
			t.Errorf("an earlier link: %v", err)
		}
		w.after(24*time.Hour - time.Minute)
		if _, err := w.Linked(second); err != nil {
			t.Errorf("after 23:59: %v", err)
		}
		w.after(2 * time.Minute)
		if _, err := w.Confirm(t.Context(), second); !errors.Is(err, identity.ErrLink) {
			t.Errorf("after a day: %v", err)
		}
		w.is(ann, "FAILED", "NOT_STARTED")
		if _, err := w.Confirm(t.Context(), w.restart(ann)); err != nil {
			t.Errorf("asked for again: %v", err)
		}
	})
}

func TestALinkThatWasTouchedIsNone(t *testing.T) {
	k := keys(t)
	synctest.Test(t, func(t *testing.T) {
		newWatched(t, k, identity.Options{}, func(t *testing.T, w *watched) {
			add(t, w.Book, alice, ann, identity.AddOptions{})
			add(t, w.Book, bob, ann, identity.AddOptions{})
			link := w.restart(ann)
			for i := range link {
				for _, c := range []byte{'A', 'b', '=', '\n'} {
					if link[i] == c {
						continue
					}
					touched := link[:i] + string(c) + link[i+1:]
					if _, err := w.Confirm(t.Context(), touched); !errors.Is(err, identity.ErrLink) {
						t.Fatalf("octet %d: %v", i, err)
					}
				}
			}
			for _, text := range []string{"", "x", link + "A", link[1:], link[:len(link)-1]} {
				if _, err := w.Linked(text); !errors.Is(err, identity.ErrLink) {
					t.Errorf("%.20q: %v", text, err)
				}
			}
			if i, _ := w.Get(bob, ann); i.Verified {
				t.Error("the same address of another account was verified")
			}
			if err := w.Remove(t.Context(), alice, ann); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Confirm(t.Context(), link); !errors.Is(err, identity.ErrLink) {
				t.Errorf("of a removed identity: %v", err)
			}
			add(t, w.Book, alice, ann, identity.AddOptions{})
			if _, err := w.Confirm(t.Context(), link); !errors.Is(err, identity.ErrLink) {
				t.Errorf("of an identity that was made again: %v", err)
			}
		})
	})
}

func TestSettingsComeFromTheMostSpecificIdentity(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.org", identity.AddOptions{Verified: true})
	add(t, b, alice, "sub.example.org", identity.AddOptions{Verified: true})
	add(t, b, alice, ann, identity.AddOptions{Verified: true})
	add(t, b, alice, "pending@example.org", identity.AddOptions{})
	for name, set := range map[string]string{"example.org": "parent", "sub.example.org": "child", ann: "hers"} {
		if _, err := b.SetDefaults(t.Context(), alice, name, identity.Defaults{Set: &set, Tags: map[string]string{"of": set}}); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[string]string{
		"x@example.org": "parent", "x@a.b.example.org": "parent", "x@sub.example.org": "child", "x@deep.sub.example.org": "child",
		ann: "hers", "ANN+label@example.org": "hers", "pending@example.org": "parent", "x@example.net": "",
	} {
		if set, tags := b.Defaults(alice, must(mail.ParseAddress(from))); set != want || tags["of"] != want {
			t.Errorf("%s: %q, %v; want %q", from, set, tags, want)
		}
	}
	pause := func(name string, on bool) {
		t.Helper()
		if _, err := b.Pause(t.Context(), alice, name, on); err != nil {
			t.Fatal(err)
		}
	}
	paused := func(from, want string) {
		t.Helper()
		if got, _ := b.PausedFor(alice, must(mail.ParseAddress(from))); got != want {
			t.Errorf("%s: paused by %q, want %q", from, got, want)
		}
	}
	pause("example.org", true)
	paused("x@example.org", "example.org")
	paused("x@a.example.org", "example.org")
	paused("x@sub.example.org", "")
	paused(ann, "")
	pause("example.org", false)
	pause("pending@example.org", true) // not verified, and more specific than what covers it
	paused("pending@example.org", "pending@example.org")
	paused("pending+a@example.org", "pending@example.org")
	paused("x@example.org", "")
	paused("x@example.net", "")
	for _, domain := range []string{"example.org", "xexample.org", "a.example.net", "bad domain.example.org"} {
		if _, err := b.SetMailFrom(t.Context(), alice, "example.org", domain, false); !errors.Is(err, identity.ErrSetting) {
			t.Errorf("MAIL FROM %s: %v", domain, err)
		}
	}
	if _, err := b.Pause(t.Context(), bob, "example.org", true); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
}

func TestDefaultsThatNoMailCouldHaveAreRefused(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.org", identity.AddOptions{})
	set := func(s string) identity.Defaults { return identity.Defaults{Set: &s} }
	tag := func(name, value string) identity.Defaults {
		return identity.Defaults{Tags: map[string]string{name: value}}
	}
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprint("t", i)] = "x"
	}
	for what, d := range map[string]identity.Defaults{
		"set of two lines": set("a\r\nb"), "long set": set(strings.Repeat("a", 65)), "set with a blank": set("a b"),
		"tag without a name": tag("", "x"), "tag without a value": tag("a", ""), "tag of two lines": tag("a", "x\r\nBcc: y"),
		"tag with a colon in the value": tag("ses:feedback-id-a", "a:b"), "tag that is reserved": tag("ses:source-ip", "192.0.2.1"),
		"too many tags": {Tags: many},
	} {
		if _, err := b.SetDefaults(t.Context(), alice, "example.org", d); !errors.Is(err, identity.ErrSetting) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, d := range []identity.Defaults{set("a-B_9"), set(""), tag("ses:feedback-id-a", "x.y@z"), {Tags: map[string]string{}}} {
		if _, err := b.SetDefaults(t.Context(), alice, "example.org", d); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func TestARecordIsALineOfAZoneFile(t *testing.T) {
	long := ""
	for range 300 {
		long += "a"
	}
	for _, tt := range []struct {
		r    identity.Record
		want string
	}{
		{identity.Record{Name: "a.example", Type: "MX", Value: "10 mx.example"}, "a.example. 3600 IN MX 10 mx.example."},
		{identity.Record{Name: "a.example", Type: "CNAME", Value: "b.example"}, "a.example. 3600 IN CNAME b.example."},
		{identity.Record{Name: "a.example", Type: "TXT", Value: `v="x"; \`}, `a.example. 3600 IN TXT "v=\"x\"; \\"`},
		{identity.Record{Name: "a.example", Type: "TXT", Value: long}, `a.example. 3600 IN TXT "` + long[:255] + `" "` + long[255:] + `"`},
	} {
		if got := tt.r.Zone(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
