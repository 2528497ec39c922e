package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

// house is a server on a real socket, with everything behind it.
type house struct {
	*admin.Client
	path   string
	dir    *accounttest.Directory
	books  *account.Book
	queue  *queue.Queue
	spool  *queuetest.Spool
	minter *mail.Minter
	// cancelled gets the recipients whose sender is told.
	cancelled []string
}

func start(t *testing.T) *house {
	t.Helper()
	h := &house{dir: &accounttest.Directory{}, spool: &queuetest.Spool{}, path: filepath.Join(t.TempDir(), "admin.sock")}
	k := must(keyfile.Open(t.TempDir()))
	h.books = must(account.Open(t.Context(), account.Options{
		Directory: h.dir, Keys: k, Derive: func(secret string) string { return sigv4.SMTPPassword(secret, "local-1") },
	}))
	identities := must(identity.Open(t.Context(), identity.Options{Directory: h.dir, Keys: k, Host: "mx1.example.com"}))
	sets := must(configset.Open(t.Context(), configset.Options{Directory: h.dir, Pools: []string{"bulk", "default"}}))
	h.queue = queue.New(queue.Options{Spool: h.spool})
	h.minter = must(mail.NewMinter(make([]byte, 16), 0, 1))
	server := admin.New(admin.Options{
		Hostname: "mx1.example.com", Version: "1.2.3", Accounts: h.books, Identities: identities, Sets: sets, Queue: h.queue, Spool: h.spool,
		Cancelled: func(_ *queue.Message, entries []queue.Entry) []event.Event {
			for _, e := range entries {
				h.cancelled = append(h.cancelled, e.To.String())
			}
			return nil
		},
	})
	l, err := admin.Listen(t.Context(), h.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	h.Client = admin.NewClient(h.path)
	return h
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// accept puts a message into the queue.
func (h *house) accept(t *testing.T, owner string, due time.Time, to ...string) mail.ID {
	t.Helper()
	m := queue.Message{ID: h.minter.New(time.Now()), Account: owner, Accepted: time.Now(), Size: 5, HeaderSize: 5, MessageID: "<1@example.com>"}
	m.From = must(mail.ParseReversePath("from@example.com"))
	for _, s := range to {
		m.To = append(m.To, must(mail.ParseForwardPath(s)))
	}
	return must(h.queue.Append(t.Context(), queue.Submission{Message: m, Content: queuetest.NewDraft("a: b\n"), Due: due, MaxAge: time.Hour}))
}

// all reads a list to its end.
func all[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var list []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

// wantCode checks that err is a refusal with a code.
func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var refusal *admin.Error
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Text == "" {
		t.Errorf("got %v, want %d", err, code)
	}
}

// firstError gives the error that a list ends with.
func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestACredentialIsMadeListedAndRevoked(t *testing.T) {
	h := start(t)
	made, err := h.CreateCredential(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if made.Account != "default" || made.AccountMade || made.Username != made.AccessKeyID ||
		made.Password != sigv4.SMTPPassword(made.SecretAccessKey, "local-1") {
		t.Errorf("got %+v", made)
	}
	if _, _, err := h.books.Verify(made.Username, made.Password); err != nil {
		t.Errorf("the credential does not work: %v", err)
	}
	other, err := h.CreateCredential(t.Context(), "shop")
	if err != nil || !other.AccountMade || other.Account != "shop" {
		t.Errorf("got %+v, %v", other, err)
	}
	for name, want := range map[string][]string{"": {made.Username, other.Username}, "default": {made.Username}, "shop": {other.Username}} {
		var got []string
		for _, c := range all(t, h.Credentials(t.Context(), name)) {
			if c.Status != "active" || c.Created.IsZero() {
				t.Errorf("got %+v", c)
			}
			got = append(got, c.AccessKeyID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
	gone, err := h.RevokeCredential(t.Context(), made.AccessKeyID)
	if err != nil || gone.Status != "revoked" || gone.Revoked.IsZero() {
		t.Errorf("got %+v, %v", gone, err)
	}
	if _, _, err := h.books.Verify(made.Username, made.Password); err == nil {
		t.Error("the revoked credential works")
	}
	_, err = h.RevokeCredential(t.Context(), "AKIANOSUCH")
	wantCode(t, err, http.StatusNotFound)
	_, err = h.CreateCredential(t.Context(), "No Such Name")
	wantCode(t, err, http.StatusBadRequest)
	wantCode(t, firstError(h.Credentials(t.Context(), "nobody")), http.StatusNotFound)
}

func TestAnIdentityIsAddedListedAndRemoved(t *testing.T) {
	h := start(t)
	o := identity.AddOptions{Verified: true, DKIM: true, Ed25519: true}
	made, err := h.AddIdentity(t.Context(), "shop", "Example.org", o)
	if err != nil {
		t.Fatal(err)
	}
	if made.Identity != "example.org" || made.Status != "verified" || made.Account != "shop" || !made.AccountMade || len(made.Records) != 4 {
		t.Errorf("got %+v", made)
	}
	if records := all(t, h.Records(t.Context(), "shop", "example.org")); !slices.Equal(records, made.Records) {
		t.Errorf("got %+v, want %+v", records, made.Records)
	}
	pending, err := h.AddIdentity(t.Context(), "default", "user@example.org", identity.AddOptions{DKIM: true})
	if err != nil || pending.Status != "pending" || pending.Records == nil || len(pending.Records) != 0 {
		t.Errorf("got %+v, %v", pending, err)
	}
	if list := all(t, h.Identities(t.Context(), "")); len(list) != 2 {
		t.Errorf("got %+v", list)
	}
	if list := all(t, h.Identities(t.Context(), "shop")); len(list) != 1 || list[0].Identity != "example.org" {
		t.Errorf("got %+v", list)
	}
	_, err = h.AddIdentity(t.Context(), "shop", "example.org", o)
	wantCode(t, err, http.StatusConflict)
	_, err = h.AddIdentity(t.Context(), "mistyped", "exa mple.org", o)
	wantCode(t, err, http.StatusBadRequest)
	wantCode(t, firstError(h.Identities(t.Context(), "mistyped")), http.StatusNotFound)
	_, err = h.RemoveIdentity(t.Context(), "default", "example.org") // another's
	wantCode(t, err, http.StatusNotFound)
	if gone, err := h.RemoveIdentity(t.Context(), "shop", "example.org"); err != nil || gone.Identity != "example.org" {
		t.Errorf("got %+v, %v", gone, err)
	}
	wantCode(t, firstError(h.Records(t.Context(), "shop", "example.org")), http.StatusNotFound)
	if records := all(t, h.HostRecords(t.Context())); len(records) == 0 || records[0].Name != "mx1.example.com" {
		t.Errorf("got %+v", records)
	}
}

func TestTheQueueIsListedByAccountDomainAndState(t *testing.T) {
	h := start(t)
	shop := must(h.books.Create(t.Context(), account.Account{Name: "shop"}))
	later := time.Now().Add(time.Hour)
	one := h.accept(t, account.DefaultID, later, "a@example.org", "b@example.net")
	two := h.accept(t, shop.ID, later, "c@example.org", "d@[192.0.2.1]")
	if _, err := h.Change(t.Context(), admin.Hold, admin.Selection{ID: two.String()}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, account, domain, state string
		want                         []string
	}{
		{"all", "", "", "", []string{"a@example.org", "b@example.net", "c@example.org", "d@[192.0.2.1]"}},
		{"an account", "shop", "", "", []string{"c@example.org", "d@[192.0.2.1]"}},
		{"an account by id", shop.ID, "", "", []string{"c@example.org", "d@[192.0.2.1]"}},
		{"a domain", "", "Example.ORG", "", []string{"a@example.org", "c@example.org"}},
		{"a literal", "", "[192.0.2.1]", "", []string{"d@[192.0.2.1]"}},
		{"a state", "", "", "queued", []string{"a@example.org", "b@example.net"}},
		{"everything", "shop", "example.org", "held", []string{"c@example.org"}},
		{"nothing", "shop", "example.net", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range all(t, h.Queue(t.Context(), tt.account, tt.domain, tt.state)) {
				got = append(got, e.To)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	e := all(t, h.Queue(t.Context(), "", "example.net", ""))[0]
	if e.ID != one.String() || e.Account != "default" || e.From != "from@example.com" || e.Size != 5 || e.State != "queued" ||
		e.Next.Sub(later).Abs() > time.Second || e.LastReply != "" {
		t.Errorf("got %+v", e)
	}
	wantCode(t, firstError(h.Queue(t.Context(), "nobody", "", "")), http.StatusNotFound)
	wantCode(t, firstError(h.Queue(t.Context(), "", "exa mple", "")), http.StatusBadRequest)
	wantCode(t, firstError(h.Queue(t.Context(), "", "", "lost")), http.StatusBadRequest)

	m, err := h.Message(t.Context(), strings.ToUpper(two.String()))
	if err != nil || m.ID != two.String() || m.Account != "shop" || len(m.Recipients) != 2 || m.Recipients[1].State != "held" || m.MessageID == "" {
		t.Errorf("got %+v, %v", m, err)
	}
	_, err = h.Message(t.Context(), h.minter.New(time.Now()).String())
	wantCode(t, err, http.StatusNotFound)
	_, err = h.Message(t.Context(), "../etc")
	wantCode(t, err, http.StatusBadRequest)
}

func TestALongQueueIsListedWhole(t *testing.T) {
	h := start(t)
	const n = 1000 // two full pages: the border case
	for i := range n / 10 {
		var to []string
		for k := range 10 {
			to = append(to, fmt.Sprintf("u%d@d%d.example.org", i, k))
		}
		h.accept(t, account.DefaultID, time.Now().Add(time.Hour), to...)
	}
	seen := map[string]bool{}
	for _, e := range all(t, h.Queue(t.Context(), "", "", "")) {
		seen[e.ID+e.To] = true
	}
	if len(seen) != n {
		t.Errorf("%d entries, want %d", len(seen), n)
	}
}

func TestAListThatBreaksOffIsAnErrorNotAShortList(t *testing.T) {
	h := start(t)
	const n = 600 // more than a page
	for range n {
		h.accept(t, account.DefaultID, time.Now().Add(time.Hour), "a@example.org")
	}
	finds := 0
	h.spool.Hook = func(method string) error {
		if method == "Find" {
			if finds++; finds == 2 {
				return errors.New("disk is gone")
			}
		}
		return nil
	}
	if err := firstError(h.Queue(t.Context(), "", "", "")); err == nil {
		t.Error("half a list was taken for the whole")
	}
	finds = 1
	wantCode(t, firstError(h.Queue(t.Context(), "", "", "")), http.StatusInternalServerError)
}

func TestSelectionsOfTheQueueAreChanged(t *testing.T) {
	h := start(t)
	later := time.Now().Add(time.Hour)
	one := h.accept(t, account.DefaultID, later, "a@example.org", "b@example.net")
	h.accept(t, account.DefaultID, later, "c@example.org")
	change := func(what string, sel admin.Selection, want int) {
		t.Helper()
		if got, err := h.Change(t.Context(), what, sel); err != nil || got.Recipients != want {
			t.Errorf("%s %+v: got %+v, %v, want %d", what, sel, got, err, want)
		}
	}
	due := func(want int64) {
		t.Helper()
		if st, err := h.Status(t.Context()); err != nil || st.Queue.Due != want {
			t.Errorf("got %+v, %v, want %d due", st, err, want)
		}
	}
	due(0)
	change(admin.Hold, admin.Selection{ID: one.String()}, 2)
	change(admin.Hold, admin.Selection{ID: one.String()}, 0) // it is held already
	change(admin.Retry, admin.Selection{All: true}, 1)
	due(1)
	change(admin.Release, admin.Selection{Domain: "example.org"}, 1)
	due(2)
	change(admin.Hold, admin.Selection{Account: "default"}, 2)
	due(0)
	change(admin.Release, admin.Selection{All: true}, 3)
	change(admin.Cancel, admin.Selection{ID: one.String()}, 2)
	if len(h.cancelled) != 0 {
		t.Errorf("the sender was told of %v", h.cancelled)
	}
	change(admin.Cancel, admin.Selection{Account: "default", Domain: "example.org", Bounce: true}, 1)
	if !slices.Equal(h.cancelled, []string{"c@example.org"}) {
		t.Errorf("the sender was told of %v", h.cancelled)
	}
	if list := all(t, h.Queue(t.Context(), "", "", "")); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
	for _, tt := range []struct {
		sel  admin.Selection
		code int
	}{
		{admin.Selection{}, http.StatusBadRequest},
		{admin.Selection{Bounce: true}, http.StatusBadRequest},
		{admin.Selection{ID: one.String(), All: true}, http.StatusBadRequest},
		{admin.Selection{ID: one.String(), Domain: "example.org"}, http.StatusBadRequest},
		{admin.Selection{Domain: "example.org", All: true}, http.StatusBadRequest},
		{admin.Selection{ID: "x"}, http.StatusBadRequest},
		{admin.Selection{ID: one.String()}, http.StatusNotFound},
		{admin.Selection{Account: "nobody"}, http.StatusNotFound},
	} {
		for _, what := range []string{admin.Hold, admin.Release, admin.Retry, admin.Cancel} {
			_, err := h.Change(t.Context(), what, tt.sel)
			wantCode(t, err, tt.code)
		}
	}
}

func TestStatusTellsOfTheQueue(t *testing.T) {
	h := start(t)
	h.accept(t, account.DefaultID, time.Now(), "a@example.org", "b@example.net")
	h.accept(t, account.DefaultID, time.Now().Add(time.Hour), "c@example.org")
	st, err := h.Status(t.Context())
	if err != nil || st.Hostname != "mx1.example.com" || st.Version != "1.2.3" || st.Started.IsZero() ||
		st.Queue.Messages != 2 || st.Queue.Recipients != 3 || st.Queue.Due != 2 {
		t.Errorf("got %+v, %v", st, err)
	}
}

func TestBadRequestsGetOneLineOfJSON(t *testing.T) {
	h := start(t)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.path)
	}}}
	defer client.CloseIdleConnections()
	for _, tt := range []struct{ name, body string }{
		{"empty", ""},
		{"no JSON", "hello"},
		{"a list", "[]"},
		{"an unknown field", `{"account":"default","admin":true}`},
		{"two objects", `{"account":"default"}{}`},
		{"another type", `{"account":1}`},
		{"too long", `{"account":"` + strings.Repeat("a", 1<<20) + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := client.Post("http://sesame/v1/credentials", "application/json", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text := string(must(io.ReadAll(resp.Body)))
			if resp.StatusCode != http.StatusBadRequest || !strings.HasPrefix(text, `{"error":"bad request`) || strings.Count(text, "\n") != 1 {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
		})
	}
	if n := len(all(t, h.Credentials(t.Context(), ""))); n != 0 {
		t.Errorf("%d credentials were made", n)
	}
}

func TestAFailureOfTheBooksIsToldAndChangesNothing(t *testing.T) {
	h := start(t)
	h.dir.Fail(errors.New("disk is gone"))
	_, err := h.CreateCredential(t.Context(), "default")
	wantCode(t, err, http.StatusInternalServerError)
	_, err = h.AddIdentity(t.Context(), "default", "example.org", identity.AddOptions{})
	wantCode(t, err, http.StatusInternalServerError)
}

func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	h := start(t)
	info, err := os.Stat(h.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if l, err := admin.Listen(t.Context(), h.path); err == nil {
		_ = l.Close()
		t.Error("a second server took the socket of a living one")
	}
	if _, err := h.Status(t.Context()); err != nil {
		t.Errorf("the first server lost its socket: %v", err)
	}
}

func TestTheSocketOfADeadServerIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead := must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := admin.NewClient(path).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no server answers at "+path) {
		t.Errorf("got %v", err)
	}
	l, err := admin.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stayed: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(t.Context(), path); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}

func ExampleNewClient() {
	_, err := admin.NewClient("/nonexistent/admin.sock").Status(context.Background())
	fmt.Println(err)
	// Output: no server answers at /nonexistent/admin.sock: connect: no such file or directory
}
