package daemon_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/internal/testmx"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
)

// issue is a letter of a mailing list, with links in its texts.
const issue = "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: issue 1\r\nMIME-Version: 1.0\r\n" +
	"List-Unsubscribe: <mailto:old@example.org>\r\nList-Unsubscribe-Post: old\r\n" +
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\n\r\nTo leave: {{amazonSESUnsubscribeUrl}}\r\n" +
	"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"<a href=3D\"{{sesame=\r\nUnsubscribeUrl}}\">leave</a>\r\n--b--\r\n"

// unsubscribes starts a server with a public listener and the set "letters" of the
// list "news".
func unsubscribes(t *testing.T, alter ...func(*config.Config)) *relay {
	t.Helper()
	r := newRelay(t, testmx.Options{StartTLS: true}, append([]func(*config.Config){withEvents(t.TempDir())}, alter...)...)
	news := "news"
	r.createSet("letters", admin.SetChange{Unsubscribe: &news})
	return r
}

// newsletter sends a letter under the set.
func (r *relay) newsletter(text string, to ...string) {
	r.t.Helper()
	if _, err := r.send("ann@example.org", to, "X-SES-CONFIGURATION-SET: letters\r\n"+text); err != nil {
		r.t.Fatal(err)
	}
}

// link gives the unsubscribe link of a letter as the mail host got it, or nothing.
func link(t *testing.T, data []byte) string {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	fields := m.Header["List-Unsubscribe"]
	if len(fields) == 0 {
		return ""
	}
	at, ok := strings.CutPrefix(fields[0], "<https://mail.example.org/unsubscribe/")
	if !ok || len(fields) > 1 || !strings.HasSuffix(at, ">") {
		t.Fatalf("List-Unsubscribe: %q", fields)
	}
	return "/unsubscribe/" + strings.TrimSuffix(at, ">")
}

// page asks the public listener, by POST when there is a body.
func (r *relay) page(path, kind, body string) (code int, text string) {
	r.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	q, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addrs.Public+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", kind)
	a, err := http.DefaultTransport.RoundTrip(q) // a redirect is an answer too
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

const form = "application/x-www-form-urlencoded"

// left reports whether the list of the account says that bob has left.
func (r *relay) left(address, from string) bool {
	r.t.Helper()
	_, err := r.admin().Left(r.t.Context(), "default", address, from)
	return err == nil
}

func TestARecipientLeavesAListWithOneClick(t *testing.T) {
	dir := t.TempDir()
	r := unsubscribes(t, func(c *config.Config) { c.Events.FileDir = dir })
	other := "other"
	r.createSet("offers", admin.SetChange{Unsubscribe: &other})
	r.createDestination(admin.NewDestination{DestinationName: admin.DestinationName{Account: "default", Set: "letters", Name: "log"},
		Kind: "file", Target: "e.jsonl", Events: []string{"bounce", "subscription"}})
	r.newsletter(issue, "Bob@example.net")
	got := r.arrived(1)[0]
	at := link(t, got.Data)
	whole := "https://mail.example.org" + at
	text := string(got.Data)
	for _, want := range []string{"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", "To leave: " + whole + "\r\n"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(text, want), text)
		}
	}
	if strings.Contains(text, "old") || strings.Contains(text, "{{") || !strings.Contains(strings.ReplaceAll(text, "=\r\n", ""), "<a href=3D\""+whole+"\">leave</a>") {
		t.Errorf("the letter is\n%s", text)
	}
	signature := strings.ToLower(strings.ReplaceAll(text[strings.Index(text, "DKIM-Signature"):], "\r\n", ""))
	for _, name := range []string{"list-unsubscribe:", "list-unsubscribe-post"} {
		if h := signature[strings.Index(signature, "h="):strings.Index(signature, "bh=")]; !strings.Contains(h, name) {
			t.Errorf("%s is not signed: %s", name, h)
		}
	}
	r.empty()

	// Whoever looks leaves nothing.
	for range 2 {
		if code, text := r.page(at, "", ""); code != 200 || !strings.Contains(text, "Bob@example.net") || !strings.Contains(text, "Unsubscribe") || r.left("bob@example.net", "news") {
			t.Fatalf("%d: %s", code, text)
		}
	}
	// A restart, and a mail program that sends a form in parts, as RFC 8058 would rather
	// have it; then again, since it got no answer.
	r.stop()
	r.start()
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	_ = w.WriteField("List-Unsubscribe", "One-Click")
	_ = w.Close()
	for range 2 {
		if code, text := r.page(at, w.FormDataContentType(), parts.String()); code != 200 || !strings.Contains(text, "gets no more mail") {
			t.Fatalf("%d: %s", code, text)
		}
	}
	if !r.left("bob@EXAMPLE.net", "news") || r.listed("default", "bob@example.net") {
		t.Fatal("bob is not on the list, or on more than one")
	}

	// Mail of the list is accepted and bounced, all other goes its way.
	before := len(r.mx.Messages())
	r.newsletter(issue, "bob@example.net")
	r.under("offers", "bob@example.net")
	r.under("", "bob@example.net")
	sent := r.arrived(before + 3)[before:]
	bounces, letters := 0, 0
	for _, m := range sent {
		if m.From == "" && bytes.Contains(m.Data, []byte("unsubscribed from the list news")) {
			bounces++
		} else if m.To[0] == "bob@example.net" && !bytes.Contains(m.Data, []byte("issue 1")) {
			letters++
		}
	}
	if r.empty(); bounces != 1 || letters != 2 || len(r.mx.Messages())-before != 3 {
		t.Errorf("%d bounces, %d letters of %d", bounces, letters, len(r.mx.Messages())-before)
	}

	// And back, by the button of the same page.
	if code, text := r.page(at, "", ""); code != 200 || !strings.Contains(text, "again") {
		t.Errorf("%d: %s", code, text)
	}
	if code, text := r.page(at, form, "action=rejoin"); code != 200 || r.left("bob@example.net", "news") {
		t.Errorf("%d: %s", code, text)
	}
	r.newsletter(issue, "bob@example.net")
	r.arrived(before + 4)
	if code, _ := r.page(at, form, "action=leave"); code != 200 || !r.left("bob@example.net", "news") {
		t.Errorf("%d: the old link does not work a second time", code)
	}

	// Every change was told once.
	var changes []string
	for _, line := range fileLines(t, filepath.Join(dir, "e.jsonl"), 4) {
		var e struct {
			EventType string
			Bounce    struct{ BounceType, BounceSubType string }
			Mail      struct{ MessageID string }

			Subscription struct {
				ContactList, Source string

				NewTopicPreferences, OldTopicPreferences struct{ UnsubscribeAll bool }
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		s := e.Subscription
		change := "stays"
		if s.NewTopicPreferences.UnsubscribeAll && !s.OldTopicPreferences.UnsubscribeAll {
			change = "leaves"
		} else if s.OldTopicPreferences.UnsubscribeAll {
			change = "returns"
		}
		changes = append(changes, strings.Join([]string{e.EventType, e.Bounce.BounceType, e.Bounce.BounceSubType, s.ContactList, s.Source, change}, " "))
	}
	want := []string{"Subscription   news UnsubscribeHeader leaves", "Bounce Permanent UnsubscribedRecipient   stays",
		"Subscription   news UnsubscribeLink returns", "Subscription   news UnsubscribeLink leaves"}
	if strings.Join(changes, "\n") != strings.Join(want, "\n") {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(changes, "\n"), strings.Join(want, "\n"))
	}
}

func TestATokenThatIsNotOursLeavesNothing(t *testing.T) {
	r, stranger := unsubscribes(t), unsubscribes(t)
	stranger.newsletter(issue, "bob@example.net")
	r.newsletter(issue, "bob@example.net")
	good := link(t, r.arrived(1)[0].Data)
	pages := map[string]bool{}
	for _, at := range []string{link(t, stranger.arrived(1)[0].Data), good[:len(good)-1], good[:len(good)-9] + "1", good + "1", "/unsubscribe/x",
		good[:20] + "AAAA" + good[24:], "/unsubscribe/" + strings.Repeat("A", 4000) + "1"} {
		for _, body := range []string{"", "List-Unsubscribe=One-Click", "action=leave", "action=rejoin"} {
			code, text := r.page(at, form, body)
			if code != http.StatusNotFound {
				t.Errorf("%.50s with %q: %d", at, body, code)
			}
			pages[text] = true
		}
	}
	if len(pages) != 1 {
		t.Errorf("%d different pages", len(pages))
	}
	for _, body := range []string{"x=y", "List-Unsubscribe=Two-Clicks", "action=" + strings.Repeat("leave", 10_000)} {
		if code, _ := r.page(good, form, body); code != http.StatusBadRequest {
			t.Errorf("%.40s: %d", body, code)
		}
	}
	if r.left("bob@example.net", "news") {
		t.Error("bob has left")
	}
}

func TestOnlyMailThatCanBeLeftHasTheLink(t *testing.T) {
	r := unsubscribes(t)
	plain, _, _ := strings.Cut(issue, "List-Unsubscribe")
	text := plain + "\r\n{{amazonSESUnsubscribeUrl}}\r\n"
	for name, c := range map[string]struct {
		text string
		to   []string
		with string // header field and body
	}{
		"one recipient, twice":    {text, []string{"bob@example.net", "bob@example.net"}, "both"},
		"two recipients":          {text, []string{"bob@example.net", "carl@example.net"}, "none"},
		"signed by its sender":    {"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from; bh=; b=\r\n" + text, []string{"bob@example.net"}, "none"},
		"signed with S/MIME":      {strings.Replace(text, "MIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s\r\n", 1), []string{"bob@example.net"}, "header"},
		"without a place for one": {strings.Replace(text, "amazon", "other", 1), []string{"bob@example.net"}, "header"},
	} {
		n := len(r.mx.Messages())
		r.newsletter(c.text, c.to...)
		data := r.arrived(n + 1)[n].Data
		r.empty()
		_, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
		got, as := "none", "{{"
		if at := link(t, data); at != "" {
			got, as = "header", at
		}
		if got == "header" && bytes.Contains(body, []byte(as)) {
			got = "both"
		} else if _, sent, _ := strings.Cut(c.text, "\r\n\r\n"); string(body) != sent {
			t.Errorf("%s: the body became\n%s", name, body)
		}
		if got != c.with {
			t.Errorf("%s: has %s, want %s", name, got, c.with)
		}
	}
}

// A mail as large as one may be is edited without the whole of it in memory.
func TestALargeLetterIsEditedOnce(t *testing.T) {
	r := unsubscribes(t)
	line := strings.Repeat("x", 75) + "\r\n"
	body := strings.Repeat(line, 60_000)
	r.newsletter(strings.Replace(hello, "bye\r\n", body+"{{sesameUnsubscribeUrl}}\r\n"+body, 1), "bob@example.net")
	data := r.arrived(1)[0].Data
	want := ".dot\r\n" + body + "https://mail.example.org" + link(t, data) + "\r\n" + body
	if _, got, _ := strings.Cut(string(data), "\r\n\r\n"); got != want {
		t.Errorf("%d octets, want %d", len(got), len(want))
	}
}

func TestAListNeedsAServerThatCanBeAsked(t *testing.T) {
	news := "news"
	for why, alter := range map[string]func(*config.Config){
		"[service] public_url and [listen] public": func(*config.Config) {},
		"https://": func(c *config.Config) {
			c.Listen.Public, c.Service.PublicURL = "127.0.0.1:0", "http://mail.example.org"
		},
		"255": func(c *config.Config) {
			c.Listen.Public, c.Service.PublicURL = "127.0.0.1:0", "https://"+strings.Repeat("a.", 130)+"org"
		},
	} {
		r := newRelay(t, testmx.Options{}, alter)
		_, err := r.admin().CreateConfigSet(t.Context(), "default", "letters", admin.SetChange{Unsubscribe: &news})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("want %s, got %v", why, err)
		}
	}
	// One that was made before stays, says so at the start, and its mail goes without.
	r := unsubscribes(t)
	r.stop()
	r.cfg.Service.PublicURL = ""
	r.start()
	if !strings.Contains(r.log.text(), "mail under a configuration set has no unsubscribe link") {
		t.Error("nobody was warned")
	}
	r.newsletter(hello, "bob@example.net")
	if at := link(t, r.arrived(1)[0].Data); at != "" {
		t.Errorf("a link that nobody can open: %s", at)
	}
}

// A link is good when its mail is forgotten, but not when its account is.
func TestALinkOutlivesItsMail(t *testing.T) {
	r := unsubscribes(t)
	keys, err := keyfile.Open(r.cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	to, err := mail.ParseAddress("bob@example.net")
	if err != nil {
		t.Fatal(err)
	}
	id, err := mail.ParseID("0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000")
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.admin().Account(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]int{a.ID: http.StatusOK, "000000000777": http.StatusNotFound} {
		token := unsubscribe.Key(keys.Key("unsubscribe", 32)).Write(unsubscribe.Link{ID: id, Account: account, List: "news", To: to})
		if code, text := r.page("/unsubscribe/"+token, form, "List-Unsubscribe=One-Click"); code != want {
			t.Errorf("account %s: %d: %s", account, code, text)
		}
	}
	if !r.left("bob@example.net", "news") {
		t.Error("bob has not left")
	}
}

func TestManyClicksAtOnceAreOneChange(t *testing.T) {
	dir := t.TempDir()
	r := unsubscribes(t, func(c *config.Config) { c.Events.FileDir = dir })
	r.createDestination(admin.NewDestination{DestinationName: admin.DestinationName{Account: "default", Set: "letters", Name: "log"},
		Kind: "file", Target: "e.jsonl", Events: []string{"subscription"}})
	r.newsletter(issue, "bob@example.net")
	at := link(t, r.arrived(1)[0].Data)
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() {
			if code, _ := r.page(at, form, "List-Unsubscribe=One-Click"); code != http.StatusOK {
				t.Errorf("%d", code)
			}
		})
	}
	g.Wait()
	// Back and forth ends in patience, and always outside.
	changes := 1
	for code := http.StatusOK; code == http.StatusOK && changes < 20; {
		if code, _ = r.page(at, form, "action=rejoin"); code == http.StatusOK {
			changes += 2
			if code, _ := r.page(at, form, "action=leave"); code != http.StatusOK {
				t.Errorf("leave: %d", code)
			}
		} else if code != http.StatusTooManyRequests {
			t.Errorf("rejoin: %d", code)
		}
	}
	if lines := fileLines(t, filepath.Join(dir, "e.jsonl"), changes); len(lines) != changes || changes > 7 {
		t.Errorf("%d events of %d changes", len(lines), changes)
	}
	if !r.left("bob@example.net", "news") {
		t.Error("bob has not left")
	}
}
