package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/ses"
	"github.com/sesame-mta/sesame/api/sesv2"
	"github.com/sesame-mta/sesame/api/sns"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/submission"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region = "local-1"
	id     = "0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000"
)

// keys knows one key.
type keys struct {
	networks []netip.Prefix
	from, to []string // that it is for
}

func (keys) Secret(accessKeyID string) (string, error) {
	if accessKeyID != keyID {
		return "", auth.ErrInvalid
	}
	return secret, nil
}

func (k keys) Signed(accessKeyID string, client netip.Addr) (auth.Standing, error) {
	c := account.Credential{AccessKeyID: accessKeyID, Account: "000000000001", Terms: account.Terms{Networks: k.networks,
		From: k.from, RecipientDomains: k.to}}
	if !c.MayConnect(client) {
		return auth.Standing{}, auth.ErrInvalid
	}
	return auth.Standing{Principal: &auth.Principal{Account: c.Account, Credential: accessKeyID},
		Account: account.Account{ID: c.Account, Production: true}, Credential: c}, nil
}

// desk keeps what it takes, or refuses it.
type desk struct {
	mu     sync.Mutex
	refuse error
	got    []*submission.Request
	texts  []string
	drop   bool // keep nothing
}

func (d *desk) Submit(_ context.Context, r *submission.Request) (mail.ID, error) {
	if d.drop {
		if _, err := io.Copy(io.Discard, r.Content); err != nil {
			return mail.ID{}, err
		}
		return mail.ParseID(id)
	}
	text, err := io.ReadAll(r.Content)
	if err != nil {
		return mail.ID{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return mail.ID{}, d.refuse
	}
	d.got, d.texts = append(d.got, r), append(d.texts, string(text))
	return mail.ParseID(id)
}

// used is a ledger of which everything is used.
type used struct{}

func (used) Usage(context.Context, string, time.Time, int64) (quota.Usage, error) {
	return quota.Usage{Used: 42}, nil
}

type house struct {
	t    testing.TB
	door *api.Door
	desk *desk
	log  *bytes.Buffer
	// rooms are those of the door, to be changed before it is called.
	rooms *api.Rooms
}

func newHouse(t testing.TB, alter ...func(*api.Options)) *house {
	t.Helper()
	spool, err := bolt.Open(bolt.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	lists, err := bolt.OpenSuppression(bolt.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lists.Close() })
	h := &house{t: t, desk: &desk{}, log: &bytes.Buffer{}}
	owners := accounts(t)
	rated, err := reputation.Open(reputation.Options{Dir: t.TempDir(), Accounts: owners})
	if err != nil {
		t.Fatal(err)
	}
	rooms := &api.Rooms{Region: region, Hostname: "mx1.example.org", Domain: "example.org", Desk: h.desk, Usage: used{},
		Accounts: owners, Reputation: rated, Imports: importing(t),
		Suppression:  suppression.New(suppression.Options{Store: lists, Accounts: owners}),
		MessageBytes: 40 << 20, LineOctets: 64 << 10, Recipients: 50}
	openSets(t, rooms)
	h.rooms = rooms
	o := api.Options{Region: region, Keys: keys{}, Spool: spool, Query: ses.New(rooms), REST: sesv2.New(rooms), Topics: sns.New(rooms),
		Log: slog.New(slog.NewTextHandler(h.log, nil))}
	for _, f := range alter {
		f(&o)
	}
	h.door = api.New(o)
	return h
}

// importing opens the jobs of nobody.
func importing(t testing.TB) *imports.Book {
	t.Helper()
	b, err := imports.Open(t.Context(), imports.Options{Directory: &accounttest.Directory{}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// accounts opens a new book.
func accounts(t testing.TB) *account.Book {
	t.Helper()
	dir := t.TempDir()
	files, err := bolt.OpenBooks(bolt.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	key, err := keyfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	book, err := account.Open(t.Context(), account.Options{Directory: files, Keys: key, Derive: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// answer is what a client sees.
type answer struct {
	status  int
	code    string
	message string
	body    string
	header  http.Header
}

// sign signs a request.
func sign(t testing.TB, r *http.Request, body []byte, when time.Time) {
	t.Helper()
	signFor(t, "ses", r, body, when)
}

func signFor(t testing.TB, service string, r *http.Request, body []byte, when time.Time) {
	t.Helper()
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), service, region, when); err != nil {
		t.Fatal(err)
	}
}

func (h *house) call(method, target, body string, header ...string) answer {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	sign(h.t, r, []byte(body), time.Now())
	return h.serve(r)
}

func (h *house) serve(r *http.Request) answer {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.door.ServeHTTP(w, r)
	a := answer{status: w.Code, body: w.Body.String(), header: w.Header()}
	if w.Header().Get("X-Amzn-Requestid") == "" {
		h.t.Error("an answer without a request id")
	}
	if w.Code == http.StatusOK {
		return a
	}
	if strings.HasPrefix(r.URL.Path, "/v") {
		var e struct{ Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			h.t.Error(err)
		}
		a.code, a.message = w.Header().Get("X-Amzn-Errortype"), e.Message
		return a
	}
	var e struct {
		Error struct{ Type, Code, Message string }
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
		h.t.Error(err)
	}
	a.code, a.message = e.Error.Code, e.Error.Message
	return a
}

func (h *house) query(form string) answer {
	h.t.Helper()
	return h.call(http.MethodPost, "/", form, "Content-Type", "application/x-www-form-urlencoded")
}

func (h *house) send(body string) answer {
	h.t.Helper()
	return h.call(http.MethodPost, "/v2/email/outbound-emails", body, "Content-Type", "application/json")
}

func TestWhatIsNoOperationIsToldSo(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		method, target, body string
		status               int
		code, message        string
	}{
		{"POST", "/", "Version=2010-12-01", 400, "MissingAction", "The request must contain the parameter Action."},
		{"POST", "/", "Action=MakeCoffee&Version=2010-12-01", 400, "InvalidAction", "Could not find operation MakeCoffee for version 2010-12-01"},
		{"POST", "/", "Action=SendEmail&Version=2020-01-01", 400, "InvalidAction", "Could not find operation SendEmail for version 2020-01-01"},
		{"POST", "/", "Action=CreateReceiptRule&Version=2010-12-01", 400, "InvalidAction", "Unavailable Operation"},
		{"POST", "/other", "Action=GetSendQuota", 400, "InvalidAction", "Unknown path or method."},
		{"PUT", "/", "Action=GetSendQuota", 400, "InvalidAction", "Unknown path or method."},
		{"POST", "/", "Action=%zz", 404, "MalformedQueryString", "The query string contains a syntax error."},
		{"GET", "/v2/email/coffee", "", 404, "UnknownOperationException", "The requested operation is not recognized by the service."},
		{"DELETE", "/v2/email/account", "", 404, "UnknownOperationException", "The requested operation is not recognized by the service."},
		{"GET", "/v2/email//account", "", 404, "UnknownOperationException", "The requested operation is not recognized by the service."},
		{"GET", "/v2/email/contact-lists/", "", 404, "UnknownOperationException", "Unavailable Operation"},
		{"POST", "/v2/email/tenants/list", "{}", 404, "UnknownOperationException", "Unavailable Operation"},
	} {
		got := h.call(tt.method, tt.target, tt.body)
		if got.status != tt.status || got.code != tt.code || got.message != tt.message {
			t.Errorf("%s %s %s: %d %s: %s", tt.method, tt.target, tt.body, got.status, got.code, got.message)
		}
	}
}

func TestRefusalsOfTheDeskHaveTheNamesOfTheAPI(t *testing.T) {
	const form = "Action=SendEmail&Source=ann@example.org&Destination.ToAddresses.member.1=bob@example.net&Message.Subject.Data=x&Message.Body.Text.Data=y"
	const body = `{"FromEmailAddress":"ann@example.org","Destination":{"ToAddresses":["bob@example.net"]},"Content":{"Simple":{"Subject":{"Data":"x"},"Body":{"Text":{"Data":"y"}}}}}`
	for _, tt := range []struct {
		err     error
		v1, v2  string
		s1, s2  int
		message string
	}{
		{mail.Recorded(554, 7, 1, "Message rejected: Email address is not verified."), "MessageRejected", "MessageRejected", 400, 400, "Email address is not verified."},
		{mail.Recorded(554, 6, 0, "Transaction failed: Missing final '@domain'"), "InvalidParameterValue", "BadRequestException", 400, 400, "Missing final '@domain'"},
		{mail.Recorded(554, 7, 1, "Access denied: This credential is not"), "AccessDenied", "AccessDeniedException", 403, 403, "This credential is not"},
		{mail.Recorded(554, 7, 1, "Configuration Set does not exist: Configuration set <x> does not exist."), "ConfigurationSetDoesNotExist", "NotFoundException", 400, 404, "Configuration set <x> does not exist."},
		{mail.Recorded(554, 7, 1, "MAIL FROM domain not verified: DNS setup"), "MailFromDomainNotVerifiedException", "MailFromDomainNotVerifiedException", 400, 400, "DNS setup"},
		{mail.Recorded(554, 7, 1, "Message rejected: Email sending for the account is paused."), "AccountSendingPausedException", "SendingPausedException", 400, 400, "Email sending for the account is paused."},
		{mail.Recorded(554, 7, 1, "Message rejected: Sending paused for configuration set <x>."), "ConfigurationSetSendingPausedException", "SendingPausedException", 400, 400, "Sending paused for configuration set <x>."},
		{mail.Recorded(454, 7, 0, "Throttling failure: Maximum sending rate exceeded."), "Throttling", "TooManyRequestsException", 400, 429, "Maximum sending rate exceeded."},
		{mail.Recorded(454, 7, 0, "Throttling failure: Daily message quota exceeded."), "Throttling", "LimitExceededException", 400, 400, "Daily message quota exceeded."},
		{mail.Recorded(552, 3, 4, "Message is too long."), "InvalidParameterValue", "BadRequestException", 400, 400, "Message is too long."},
		{mail.Recorded(451, 3, 0, "Temporary service failure"), "ServiceUnavailable", "ServiceUnavailableException", 503, 503, "Temporary service failure"},
		{mail.Refuse(452, 3, 1, "Insufficient system storage"), "ServiceUnavailable", "ServiceUnavailableException", 503, 503, "Temporary service failure"},
		{mail.Refuse(554, 4, 6, "Too many hops"), "MessageRejected", "MessageRejected", 400, 400, "Too many hops"},
		{auth.ErrInvalid, "InvalidClientTokenId", "UnrecognizedClientException", 403, 403, "The security token included in the request is invalid."},
		{errors.New("disk on fire at /var/lib"), "InternalFailure", "InternalServiceErrorException", 500, 500, "An internal failure occurred."},
	} {
		h := newHouse(t)
		h.desk.refuse = tt.err
		if got := h.query(form); got.code != tt.v1 || got.status != tt.s1 || got.message != tt.message {
			t.Errorf("v1, %v: %d %s: %s", tt.err, got.status, got.code, got.message)
		}
		if got := h.send(body); got.code != tt.v2 || got.status != tt.s2 || got.message != tt.message {
			t.Errorf("v2, %v: %d %s: %s", tt.err, got.status, got.code, got.message)
		}
		if tt.s1 == 500 && !strings.Contains(h.log.String(), "disk on fire") {
			t.Error("the cause is not in the log")
		}
	}
}

func TestWhatIsRequiredIsAskedFor(t *testing.T) {
	h := newHouse(t)
	for body, want := range map[string]string{
		"Action=SendEmail": "3 validation errors detected: Value null at 'source' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'destination' failed to satisfy constraint: Member must not be null; Value null at 'message' failed to satisfy constraint: Member must not be null",
		"Action=SendEmail&Source=a@example.org&Destination.ToAddresses.member.1=b@example.net&Message.Subject.Charset=UTF-8": "1 validation error detected: Value null at 'message.subject.data' failed to satisfy constraint: Member must not be null",
		"Action=SendRawEmail": "1 validation error detected: Value null at 'rawMessage' failed to satisfy constraint: Member must not be null",
	} {
		if got := h.query(body); got.code != "ValidationError" || got.message != want {
			t.Errorf("%s: %s: %s", body, got.code, got.message)
		}
	}
	for body, want := range map[string]string{
		``:                                     "BadRequestException 1 validation error detected: Value null at 'content' failed to satisfy constraint: Member must not be null",
		`{}`:                                   "BadRequestException 1 validation error detected: Value null at 'content' failed to satisfy constraint: Member must not be null",
		`{"Content":{}}`:                       "BadRequestException Content must be exactly one of Simple, Raw and Template.",
		`{"Content":{"Simple":`:                "SerializationException The request is not valid JSON.",
		`{} {}`:                                "SerializationException The request is not one JSON object.",
		`{"Content":"x"}`:                      "SerializationException Value at 'Content' is a string, which it must not be.",
		`{"EmailTags":{"a":"b"},"Content":{}}`: "SerializationException Value at 'EmailTags' is a object, which it must not be.",
		`{"Content":{"Raw":{"Data":"!!!!"}},"Destination":{"ToAddresses":["b@example.net"]},"FromEmailAddress":"a@example.org"}`: "SerializationException Base64 encoded data cannot be read.",
		`{"Content":{"Raw":{"Data":5}}}`: "SerializationException Value at 'Content.Raw.Data' is a number, which it must not be.",
	} {
		if got := h.send(body); got.code+" "+got.message != want {
			t.Errorf("%s: %s: %s", body, got.code, got.message)
		}
	}
}

// Debian 12 has SDKs that ask for these so.
func TestOlderSDKsFindOperationsByOtherPaths(t *testing.T) {
	h := newRegistry(t)
	for _, tt := range []struct {
		method, target, body string
		status               int
		message              string
	}{
		{"GET", "/v2/email/identities?PageSize=1", "", 200, ""},
		{"GET", "/v2/email/configuration-sets?PageSize=1", "", 200, ""},
		{"GET", "/v2/email/import-jobs?PageSize=1", `{"ImportDestinationType": "NONSENSE"}`, 400,
			"1 validation error detected: Value at 'importDestinationType' failed to satisfy constraint"},
		{"GET", "/v2/email/contact-lists/a/contacts", "", 404, "Unavailable Operation"},
		{"PUT", "/v1/email/identities/example.net/dkim/signing", `{"SigningAttributesOrigin": "AWS_SES"}`, 404, "Email identity example.net does not exist."},
		{"PUT", "/v1/email/identities/example.net/feedback", `{}`, 404, "The requested operation is not recognized by the service."},
	} {
		if got := h.call(tt.method, tt.target, tt.body); got.status != tt.status || !strings.HasPrefix(got.message, tt.message) {
			t.Errorf("%s %s: %d %q", tt.method, tt.target, got.status, got.message)
		}
	}
}

func TestACallHasOneLineInTheLog(t *testing.T) {
	h := newHouse(t)
	a := h.call("GET", "/v2/email/account", "")
	if a.status != 200 {
		t.Fatal(a.body)
	}
	for _, want := range []string{"msg=\"call answered\"", "id=" + a.header.Get("X-Amzn-Requestid"), "account=000000000001", "text=GetAccount", "code=200", "source=192.0.2.1"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("no %s in %s", want, h.log)
		}
	}
}

func TestAKeyMayCallOnlySoOften(t *testing.T) {
	now := time.Now() // which stands still
	h := newHouse(t, func(o *api.Options) { o.Now = func() time.Time { return now } })
	for range 500 {
		if a := h.query("Action=GetSendQuota"); a.status != 200 {
			t.Fatal(a.body)
		}
	}
	if a := h.query("Action=GetSendQuota"); a.code != "Throttling" || a.message != "Rate exceeded" {
		t.Errorf("%s: %s", a.code, a.message)
	}
	if a := h.call("GET", "/v2/email/account", ""); a.code != "TooManyRequestsException" || a.status != 429 {
		t.Errorf("%s: %s", a.code, a.message)
	}
	if a := h.query(rawForm); a.status != 200 {
		t.Errorf("sending is bounded by its own rate: %s", a.message)
	}
}

func TestACredentialOfOtherNetworksMayNotCall(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Keys = keys{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}} })
	if a := h.query("Action=GetSendQuota"); a.code != "InvalidClientTokenId" || a.status != 403 {
		t.Errorf("%d %s", a.status, a.code)
	}
}

func TestAPresignedRequestIsAnswered(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest("GET", "https://email.example.org/?Action=GetSendQuota&Version=2010-12-01&X-Amz-Expires=60", nil)
	sum := sha256.Sum256(nil)
	to, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r,
		hex.EncodeToString(sum[:]), "ses", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a := h.serve(httptest.NewRequest("GET", to, nil)); a.status != 200 || !strings.Contains(a.body, "<SentLast24Hours>42</SentLast24Hours>") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestABodyThatIsTooLargeIsNotRead(t *testing.T) {
	h := newHouse(t)
	big := strings.Repeat("x", 17<<20)
	if a := h.query("Action=GetSendQuota&A=" + big); a.status != 413 || a.code != "RequestEntityTooLarge" {
		t.Errorf("%d %s", a.status, a.code)
	}
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("Action=GetSendQuota&A="), strings.NewReader(big)))
	r.ContentLength = -1 // not said
	sign(t, r, nil, time.Now())
	if a := h.serve(r); a.status != 413 {
		t.Errorf("%d %s", a.status, a.code)
	}
}
