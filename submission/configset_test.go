package submission_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
)

// sets are those of account 1.
type sets map[string]configset.Set

func (s sets) Find(accountID, name string) (configset.Set, bool) {
	set, ok := s[name]
	return set, ok && accountID == "000000000001"
}

// withSets gives a desk the sets h, c and i, and the identity of a@example.org
// the default i and two tags.
func withSets(o *submission.Options) {
	s := sets{}
	for _, name := range []string{"h", "c", "i"} {
		s[name] = configset.Set{Name: name, TLS: configset.Optional, Sending: true, Pool: "pool-" + name}
	}
	s["tls"] = configset.Set{Name: "tls", TLS: configset.Require, Sending: true, MaxDelivery: 10 * time.Minute}
	o.Sets = s
	o.IdentityDefaults = func(accountID string, from mail.Address) (string, map[string]string) {
		if accountID != "000000000001" || from.String() != "a@example.org" {
			return "", nil
		}
		return "i", map[string]string{"x": "identity", "y": "identity", "z": "identity"}
	}
}

func TestTheConfigurationSetOfAMessage(t *testing.T) {
	for name, c := range map[string]struct {
		from, header, credential, want string
	}{
		"in the header":            {header: "X-SES-CONFIGURATION-SET: h\r\n", credential: "c", want: "h"},
		"the first field counts":   {header: "X-SES-CONFIGURATION-SET: h\r\nX-SES-CONFIGURATION-SET: c\r\n", want: "h"},
		"an empty one is none":     {header: "X-SES-CONFIGURATION-SET:\r\nX-SES-CONFIGURATION-SET: h\r\n", credential: "c", want: "c"},
		"folded":                   {header: "X-Ses-Configuration-Set:\r\n h\r\n", want: "h"},
		"of the credential":        {credential: "c", want: "c"},
		"of the identity":          {want: "i"},
		"none":                     {from: "other@example.org", want: ""},
		"identity of another From": {from: "other@example.org", credential: "c", want: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spool{}
			from := c.from
			if from == "" {
				from = "A <a@example.org>"
			}
			r := request(t, c.header+"From: "+from+"\r\n\r\nhi\r\n", submission.Facts{})
			r.Principal.ConfigurationSet = c.credential
			if _, err := desk(t, s, withSets).Submit(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			m, pool := s.got.Message, ""
			if c.want != "" {
				pool = "pool-" + c.want
			}
			if m.ConfigSet != c.want || m.Pool != pool || m.RequireTLS || s.got.MaxAge != time.Hour {
				t.Errorf("under %q from pool %q for %v", m.ConfigSet, m.Pool, s.got.MaxAge)
			}
		})
	}
}

func TestASetBringsTLSAndTime(t *testing.T) {
	s := &spool{}
	r := request(t, "From: a@example.org\r\nX-SES-CONFIGURATION-SET: tls\r\n\r\nhi\r\n", submission.Facts{})
	if _, err := desk(t, s, withSets).Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !s.got.Message.RequireTLS || s.got.MaxAge != 10*time.Minute {
		t.Errorf("TLS %v, time %v", s.got.Message.RequireTLS, s.got.MaxAge)
	}
}

func TestTagsOfTheHeaderComeBeforeThoseOfCredentialAndIdentity(t *testing.T) {
	s := &spool{}
	r := request(t, "From: a@example.org\r\nX-SES-MESSAGE-TAGS: x=header, w=caf\xc3\xa9\r\n\r\nhi\r\n", submission.Facts{})
	r.Principal.Tags = []account.Tag{{Name: "x", Value: "credential"}, {Name: "y", Value: "credential"}}
	if _, err := desk(t, s, withSets).Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	want := []queue.Tag{{Name: "x", Value: "header"}, {Name: "y", Value: "credential"}, {Name: "z", Value: "identity"}}
	if got := s.got.Message.Tags; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFeedbackIDIsTheSameForAnAccountAndCarriesTwoTags(t *testing.T) {
	form := regexp.MustCompile(`Feedback-ID: ([^:]*):([^:]*):1\.local-1\.([A-Za-z0-9+/]{43}=):sesame\r\n`)
	send := func(header string, alter func(*submission.Request)) string {
		t.Helper()
		s := &spool{}
		r := request(t, "From: a@example.org\r\n"+header+"\r\nhi\r\n", submission.Facts{})
		alter(r)
		d := desk(t, s, func(o *submission.Options) {
			o.Region, o.FeedbackKey = "local-1", []byte("key")
			o.Rules = nil // any account may send
		})
		if _, err := d.Submit(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return leaving(s)
	}
	asIs := func(*submission.Request) {}
	plain := form.FindStringSubmatch(send("", asIs))
	tagged := form.FindStringSubmatch(send("X-SES-MESSAGE-TAGS: ses:feedback-id-b=b,ses:feedback-id-a=a\r\n", asIs))
	other := form.FindStringSubmatch(send("", func(r *submission.Request) { r.Principal.Account = "000000000002" }))
	if plain == nil || tagged == nil || other == nil {
		t.Fatal("no Feedback-ID")
	}
	if plain[1]+plain[2] != "" || tagged[1] != "a" || tagged[2] != "b" {
		t.Errorf("got %q and %q", plain, tagged)
	}
	if plain[3] != tagged[3] || plain[3] == other[3] {
		t.Errorf("constants %s, %s, %s", plain[3], tagged[3], other[3])
	}
	const mine = "Feedback-ID: a:sesame:c:mine\r\n"
	if got := send(mine, asIs); !strings.Contains(got, mine) || form.MatchString(got) {
		t.Errorf("the client's own is not kept: %s", got)
	}
	for _, forged := range []string{"::1.local-1." + other[3] + ":sesame", "a:b:c:SESAME (x)", "a:b:c: sesame "} {
		for _, header := range []string{"Feedback-ID: " + forged + "\r\n", mine + "FEEDBACK-ID: " + forged + "\r\n"} {
			got := send(header, asIs)
			if m := form.FindStringSubmatch(got); m == nil || m[3] != plain[3] || strings.Count(strings.ToLower(got), "feedback-id:") != 1 {
				t.Errorf("a value in our name is kept: %s", got)
			}
		}
	}
	if got := send(mine, func(r *submission.Request) { r.Principal.Strict = true }); strings.Contains(got, mine) || !form.MatchString(got) {
		t.Errorf("strict does not replace it: %s", got)
	}
}

func TestTheServiceDomainSignsBesideTheSender(t *testing.T) {
	for name, c := range map[string]struct {
		service []string
		want    string
	}{
		"second":        {[]string{"mail.example.com/k"}, "[000000000001/example.org mail.example.com/k]"},
		"the same once": {[]string{"000000000001/example.org"}, "[000000000001/example.org]"},
		"none":          {nil, "[000000000001/example.org]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spool{}
			d := desk(t, s, func(o *submission.Options) { o.ServiceKeys = func() []string { return c.service } })
			if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{})); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.got.Message.Keys); got != c.want {
				t.Errorf("keys %s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatWasAcceptedIsObserved(t *testing.T) {
	var saw []string
	s := &spool{}
	d := desk(t, s, withSets, func(o *submission.Options) {
		o.IdentityName = func(_ string, a mail.Address) string { return a.Domain() }
		o.Observe = func(m *queue.Message, e event.Type, rs []event.Recipient) {
			saw = append(saw, fmt.Sprint(m.Account, m.Identity, m.ConfigSet, e, len(rs), rs[0].To))
		}
	})
	if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\nX-SES-CONFIGURATION-SET: h\r\n\r\n", submission.Facts{})); err != nil {
		t.Fatal(err)
	}
	s.appendErr = queue.ErrFull
	if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{})); err == nil {
		t.Fatal("a full disk took it")
	}
	if got := strings.Join(saw, "\n"); got != "000000000001example.orghSend 1 b@example.net" {
		t.Errorf("observed %q", got)
	}
}
