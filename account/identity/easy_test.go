package identity_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/mail"
)

// private is an Ed25519 key, as PKCS#8 in base64.
const private = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"

// publishAll publishes what the owner of a domain and the operator have to.
func (w *watched) publishAll(i identity.Identity) {
	w.t.Helper()
	all, err := w.ServiceRecords()
	if err != nil {
		w.t.Fatal(err)
	}
	w.zone.publish(w.Records(i))
	w.zone.publish(all)
	w.after(10 * time.Minute)
}

func (w *watched) easy() identity.Identity {
	w.t.Helper()
	i, err := w.UseEasy(w.t.Context(), alice, "example.org")
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *watched) plan(isEasy bool, state identity.State, tokens ...string) {
	w.t.Helper()
	i := must(w.Get(alice, "example.org"))
	if p := i.Plan(); p.Easy != isEasy || p.State != state || !slices.Equal(p.Tokens, tokens) {
		w.t.Errorf("%+v, want easy %t, %s, %v", p, isEasy, state, tokens)
	}
}

func TestADomainWithoutKeysGetsEasyDKIMOnce(t *testing.T) {
	watch(t, identity.Options{Service: "mail.example.com"}, func(t *testing.T, w *watched) {
		add(t, w.Book, alice, "example.org", identity.AddOptions{})
		i := w.easy()
		if len(i.Easy) != 3 || len(i.Keys) != 2 || i.Plan().Made.IsZero() {
			t.Fatalf("%+v", i)
		}
		w.plan(true, identity.Pending, i.Easy...)
		if again := w.easy(); !slices.Equal(again.Easy, i.Easy) || len(again.Keys) != 2 {
			t.Errorf("the second time %+v", again)
		}
		w.publishAll(i)
		w.is("example.org", "SUCCESS", "SUCCESS")
		w.plan(true, identity.Success, i.Easy...)
	})
}

func TestOwnersChangeBetweenTheirKeysAndEasyDKIM(t *testing.T) {
	watch(t, identity.Options{Service: "mail.example.com"}, func(t *testing.T, w *watched) {
		signs := func(want string) {
			t.Helper()
			refs := w.KeyRefs(alice, "example.org")
			if len(refs) != 1 || !strings.HasPrefix(refs[0], "example.org/"+want) {
				t.Errorf("signs with %v, want %s", refs, want)
			}
		}
		i := add(t, w.Book, alice, "example.org", identity.AddOptions{Selector: "mine", Private: []byte(private)})
		w.publishAll(i)
		w.plan(false, identity.Success, "mine")
		signs("mine")

		i = w.easy()
		w.plan(true, identity.Pending, i.Easy...)
		w.after(time.Hour)
		signs("mine") // until DNS shows the other
		w.publishAll(i)
		signs(i.Easy[0])
		w.publishAll(must(w.Get(alice, "example.org")))
		w.plan(true, identity.Success, i.Easy...)

		if _, err := w.RotateDKIM(t.Context(), alice, "example.org", "other", []byte(private)); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour) // no Easy DKIM key is made for the time after that
		w.plan(false, identity.Pending, "other")
		signs(i.Easy[0])
		if i = w.easy(); i.Rotating {
			t.Error("it still waits for a key that it does not want any more")
		}
		w.plan(true, identity.Success, i.Easy...)

		i = must(w.RotateDKIM(t.Context(), alice, "example.org", "third", []byte(private)))
		w.publishAll(i)
		signs("third")
		w.plan(false, identity.Success, "third")

		i = w.easy()
		w.plan(true, identity.Pending, i.Easy...)
		w.publishAll(i)
		signs(i.Easy[0])
		w.after(8 * 24 * time.Hour)
		w.publishAll(must(w.Get(alice, "example.org")))
		if i = must(w.Get(alice, "example.org")); len(i.Keys) != 2 || !i.Keys[0].Easy || !i.Keys[1].Easy {
			t.Errorf("after a week %+v", i.Keys)
		}
	})
}

func TestEasyDKIMIsRefusedWhereThereIsNone(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.org", identity.AddOptions{DKIM: true})
	add(t, b, alice, "ann@example.org", identity.AddOptions{})
	for name, want := range map[string]error{
		"example.org": identity.ErrNoEasy, "ann@example.org": identity.ErrSetting, "example.net": account.ErrNotFound, "a b": identity.ErrName,
	} {
		if _, err := b.UseEasy(t.Context(), alice, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p := must(b.Get(alice, "example.org")).Plan(); p.Easy || len(p.Tokens) != 1 {
		t.Errorf("a key in the owner's zone: %+v", p)
	}
}

func TestOwnersTurnSigningOff(t *testing.T) {
	b := open(t, &accounttest.Directory{}, keys(t))
	add(t, b, alice, "example.org", identity.AddOptions{Verified: true, DKIM: true})
	add(t, b, alice, "ann@example.org", identity.AddOptions{Verified: true})
	add(t, b, alice, "late@example.org", identity.AddOptions{})
	if _, ok := b.KeyOwner(add(t, b, alice, "jim@example.net", identity.AddOptions{})); ok {
		t.Error("an address without a domain has keys")
	}
	if i, _ := b.KeyOwner(add(t, b, alice, "jim@a.example.org", identity.AddOptions{})); i.Name != "example.org" {
		t.Errorf("an address has the keys of %q", i.Name)
	}
	for _, tt := range []struct {
		name string
		to   identity.Switch
		want string // who is signed for, of ann, ann+x, bob, late
	}{
		{"example.org", identity.Default, "ann ann+x bob late"},
		{"ann@example.org", identity.Off, "bob late"},
		{"example.org", identity.Off, ""},
		{"ann@example.org", identity.On, "ann ann+x"},
		{"late@example.org", identity.On, "ann ann+x"}, // not verified, so no word counts
		{"ann@example.org", identity.Default, ""},
		{"example.org", identity.On, "ann ann+x bob late"},
	} {
		i, err := b.SetSign(t.Context(), alice, tt.name, tt.to)
		if err != nil || i.Sign != tt.to {
			t.Fatalf("%+v, %v", i, err)
		}
		var got []string
		for _, local := range []string{"ann", "ann+x", "bob", "late"} {
			if len(b.SenderKeys(alice, must(mail.ParseAddress(local+"@example.org")))) > 0 {
				got = append(got, local)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %s: signed are %v, want %s", tt.name, tt.to, got, tt.want)
		}
		if ann := must(b.Get(alice, "ann@example.org")); b.SignsFor(ann) != strings.HasPrefix(tt.want, "ann") {
			t.Errorf("%s %s: says of ann %t", tt.name, tt.to, b.SignsFor(ann))
		}
	}
	if _, err := b.SetSign(t.Context(), alice, "example.org", "no"); !errors.Is(err, identity.ErrSetting) {
		t.Error(err)
	}
}

func TestAnIdentityBeginsWithASetAndLabels(t *testing.T) {
	dir, k := &accounttest.Directory{}, keys(t)
	b := open(t, dir, k)
	add(t, b, alice, "example.org", identity.AddOptions{Set: "news", Labels: account.Labels{"team": "red"}})
	if _, err := b.SetLabels(t.Context(), alice, "example.org", func(l account.Labels) account.Labels {
		return l.With(account.Labels{"env": "test"}).Without([]string{"team"})
	}); err != nil {
		t.Fatal(err)
	}
	if i := must(open(t, dir, k).Get(alice, "example.org")); i.Set != "news" || len(i.Labels) != 1 || i.Labels["env"] != "test" {
		t.Errorf("after a restart %+v", i)
	}
	bad := func(account.Labels) account.Labels { return account.Labels{"": ""} }
	if _, err := b.SetLabels(t.Context(), alice, "example.org", bad); !errors.Is(err, account.ErrLabels) {
		t.Error(err)
	}
	for _, o := range []identity.AddOptions{{Set: "a b"}, {Labels: bad(nil)}} {
		if _, err := b.Add(t.Context(), alice, "example.net", o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestAKeyThatIsThereIsBroughtAgain(t *testing.T) {
	watch(t, identity.Options{Service: "mail.example.com"}, func(t *testing.T, w *watched) {
		bring := func(selector string) identity.Identity {
			t.Helper()
			i, err := w.Bring(t.Context(), alice, "example.org", selector, []byte(private))
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
		add(t, w.Book, alice, "example.org", identity.AddOptions{})
		bring("one")
		if i := bring("one"); len(i.Keys) != 1 || !i.Rotating {
			t.Errorf("waits once: %+v", i)
		}
		w.publishAll(must(w.Get(alice, "example.org")))
		if i := bring("one"); len(i.Keys) != 1 || i.Rotating {
			t.Errorf("signs: %+v", i)
		}
		bring("two")
		if i := bring("one"); len(i.Keys) != 1 || i.Rotating {
			t.Errorf("the other was not wanted after all: %+v", i)
		}
		if _, err := w.Bring(t.Context(), alice, "example.org", "two", []byte("x")); err == nil {
			t.Error("a key that is none")
		}
		if _, err := w.Bring(t.Context(), alice, "example.net", "two", []byte(private)); !errors.Is(err, account.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestWhatWasGivenUpIsLookedForAgainWhenItsOwnerAsks(t *testing.T) {
	watch(t, identity.Options{Service: "mail.example.com", Feedback: "mx1.example.com"}, func(t *testing.T, w *watched) {
		add(t, w.Book, alice, "example.org", identity.AddOptions{DKIM: true})
		mailFrom := func() identity.State {
			return must(w.Get(alice, "example.org")).MailFrom.Check.State
		}
		set := func() { must(w.SetMailFrom(t.Context(), alice, "example.org", "b.example.org", false)) }
		set()
		w.after(73 * time.Hour)
		w.is("example.org", "FAILED", "FAILED")
		if mailFrom() != identity.Failed {
			t.Errorf("the MAIL FROM domain is %s", mailFrom())
		}
		w.easy()
		set()
		w.is("example.org", "FAILED", "PENDING")
		if mailFrom() != identity.Pending {
			t.Errorf("the MAIL FROM domain is %s", mailFrom())
		}
	})
}
