package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sesame-mta/sesame/auth/sigv4"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region = "local-1"
)

var at = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// signed gives a request as a server sees it that the official signer has signed.
func signed(t testing.TB, method, target, body string, when time.Time, header map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "https://email.example.org"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	sum := sha256.Sum256([]byte(body))
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "ses", region, when); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

func presigned(t testing.TB, target string, when time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://email.example.org"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	to, header, err := v4.NewSigner().PresignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "ses", region, when)
	if err != nil {
		t.Fatal(err)
	}
	if r.URL, err = url.Parse(to); err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return received(t, r)
}

// received sends a request over the wire and gives what net/http makes of it.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Clone(context.Background())
		got.Body = io.NopCloser(bytes.NewReader(body))
	}))
	defer s.Close()
	r = r.Clone(t.Context())
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = "http", s.Listener.Addr().String()
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return got
}

// verify does what a server does.
func verify(r *http.Request, key string, now time.Time) error {
	c, err := sigv4.Read(r)
	if err != nil {
		return err
	}
	if err := c.Check(now, region); err != nil {
		return err
	}
	body, _ := io.ReadAll(r.Body)
	return c.Verify(context.Background(), r, sha256.Sum256(body), key)
}

func kind(err error) sigv4.Kind {
	var e *sigv4.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestWhatTheOfficialSignerSignsIsVerified(t *testing.T) {
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	tests := []struct {
		about, method, target, body string
		header                      map[string]string
	}{
		{"a form", "POST", "/", "Action=GetSendQuota&Version=2010-12-01", form},
		{"JSON", "POST", "/v2/email/outbound-emails", `{"a":"b"}`, map[string]string{"Content-Type": "application/json"}},
		{"no body", "GET", "/v2/email/account", "", nil},
		{"an address in the path", "GET", "/v2/email/suppression/addresses/ann%40example.org", "", nil},
		{"a path with more to escape", "GET", "/v2/email/templates/a%20b%2Fc%25d", "", nil},
		{"an at sign as it is", "GET", "/v2/email/identities/ann@example.org", "", nil},
		{"a query", "GET", "/v2/email/suppression/addresses?Reason=BOUNCE&NextToken=a%2Bb+c%3D&PageSize=3", "", nil},
		{"names twice in a query", "DELETE", "/v2/email/tags?TagKeys=b&TagKeys=a&ResourceArn=arn%3Aaws%3Ases", "", nil},
		{"the hash of the body", "POST", "/", "x=1", map[string]string{"X-Amz-Content-Sha256": hash("x=1")}},
		{"a field with blanks", "POST", "/", "x=1", map[string]string{"X-Amz-Meta-A": "  a   b  "}},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			r := signed(t, tt.method, tt.target, tt.body, at, tt.header)
			if err := verify(r, secret, at); err != nil {
				t.Fatal(err)
			}
			r.Body = io.NopCloser(strings.NewReader(tt.body))
			if err := verify(r, secret+"x", at); kind(err) != sigv4.Mismatch {
				t.Errorf("with another secret: %v", err)
			}
			r.Body = io.NopCloser(strings.NewReader(tt.body + " "))
			if err := verify(r, secret, at); kind(err) != sigv4.Mismatch {
				t.Errorf("with another body: %v", err)
			}
			r.Body = io.NopCloser(strings.NewReader(tt.body))
			r.URL.RawQuery += "&Extra=1"
			if err := verify(r, secret, at); kind(err) != sigv4.Mismatch {
				t.Errorf("with another query: %v", err)
			}
		})
	}
}

func hash(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func TestAPresignedRequestIsGoodForItsLife(t *testing.T) {
	r := presigned(t, "/?Action=GetSendQuota&X-Amz-Expires=600", at)
	for _, tt := range []struct {
		after time.Duration
		want  sigv4.Kind
	}{{0, 0}, {9 * time.Minute, 0}, {11 * time.Minute, sigv4.Expired}, {-6 * time.Minute, sigv4.Mismatch}} {
		if got := kind(verify(r, secret, at.Add(tt.after))); got != tt.want {
			t.Errorf("after %s: kind %d, want %d", tt.after, got, tt.want)
		}
	}
	if err := verify(r, "another", at); kind(err) != sigv4.Mismatch {
		t.Errorf("with another secret: %v", err)
	}
}

func TestTheClockMayBeFiveMinutesOff(t *testing.T) {
	for _, tt := range []struct {
		off  time.Duration
		want sigv4.Kind
	}{
		{0, 0}, {4*time.Minute + 59*time.Second, 0}, {-4*time.Minute - 59*time.Second, 0},
		{6 * time.Minute, sigv4.Mismatch}, {-6 * time.Minute, sigv4.Mismatch}, {16 * time.Minute, sigv4.Expired},
	} {
		r := signed(t, "GET", "/v2/email/account", "", at, nil)
		if got := kind(verify(r, secret, at.Add(tt.off))); got != tt.want {
			t.Errorf("off by %s: kind %d, want %d", tt.off, got, tt.want)
		}
	}
}

func TestWhatIsWrongWithASignatureIsTold(t *testing.T) {
	change := func(old, by string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, by, 1))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		about string
		alter func(*http.Request)
		kind  sigv4.Kind
		text  string
	}{
		{"nothing is", func(*http.Request) {}, 0, ""},
		{"none", func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.Missing, "Request is missing Authentication Token"},
		{"another scheme", set("Authorization", "Basic YTpi"), sigv4.Incomplete, "Authorization header requires"},
		{"no signature in it", change(", Signature=", ", Sig="), sigv4.Incomplete, "Authorization header requires 'Signature' parameter."},
		{"no date", set("X-Amz-Date", ""), sigv4.Incomplete, "'X-Amz-Date'"},
		{"a credential in pieces", change("/ses/", "/"), sigv4.Incomplete, "exactly 5"},
		{"another service", change("/ses/", "/s3/"), sigv4.Mismatch, "correct service: 'ses'"},
		{"another region", change("/local-1/", "/eu-west-1/"), sigv4.Mismatch, "Credential should be scoped to a valid region."},
		{"another day", change("/20261122/", "/20261121/"), sigv4.Mismatch, "Date in Credential scope"},
		{"another end of the scope", change("/aws4_request", "/aws4"), sigv4.Mismatch, "valid terminator"},
		{"the host not signed", change(";host", ""), sigv4.Mismatch, "'Host'"},
		{"fewer fields signed", change("content-type;", ""), sigv4.Mismatch, "does not match"},
		{"a signed field changed", set("Content-Type", "text/plain"), sigv4.Mismatch, "does not match"},
		{"an unsigned field added", set("X-Other", "1"), 0, ""},
		{"another host", func(r *http.Request) { r.Host = "other.example.org" }, sigv4.Mismatch, "does not match"},
		{"another method", func(r *http.Request) { r.Method = "PUT" }, sigv4.Mismatch, "does not match"},
		{"another path", func(r *http.Request) { r.URL.Path = "/v2/email/identities" }, sigv4.Mismatch, "does not match"},
		{"temporary credentials", set("X-Amz-Security-Token", "x"), sigv4.UnknownKey, "security token"},
		{"an unsigned body", set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Mismatch, "x-amz-content-sha256"},
		{"two signatures", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, sigv4.Incomplete, "more than one"},
		{"one here and one there", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=0" }, sigv4.Incomplete, "more than one"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			r := signed(t, "POST", "/v2/email/outbound-emails", "{}", at, map[string]string{"Content-Type": "application/json"})
			tt.alter(r)
			err := verify(r, secret, at)
			if kind(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("kind %d, %v; want %d, %q", kind(err), err, tt.kind, tt.text)
			}
		})
	}
}

// FuzzRead: no request makes the reader of claims fail otherwise than by an Error,
// and none is verified without the secret.
func FuzzRead(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/local-1/ses/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20261122T120000Z", "a=b", "x")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261122%2Flocal-1%2Fses%2Faws4_request&X-Amz-Date=20261122T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "")
	f.Fuzz(func(t *testing.T, auth, date, query, sum string) {
		r := &http.Request{Method: "POST", Host: "email.example.org", URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		for name, value := range map[string]string{"Authorization": auth, "X-Amz-Date": date, "X-Amz-Content-Sha256": sum} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if err := verify(r, secret, at); kind(err) == 0 {
			t.Errorf("verified, or an error of no kind: %v", err)
		}
	})
}

func ExampleClaim_Verify() {
	body := []byte("Action=GetSendQuota")
	sum := sha256.Sum256(body)
	r, _ := http.NewRequest(http.MethodPost, "https://email.example.org/", bytes.NewReader(body))
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	_ = v4.NewSigner().SignHTTP(context.Background(), who, r, hex.EncodeToString(sum[:]), "ses", region, at)

	claim, err := sigv4.Read(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claim.AccessKeyID, claim.Check(at, region))
	fmt.Println(claim.Verify(context.Background(), r, sum, secret))
	// Output:
	// AKIDEXAMPLE <nil>
	// <nil>
}
