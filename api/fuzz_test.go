package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/auth/sigv4"
)

// quiet serves a signed call and gives the status. Trouble of ours is a mistake of
// ours, whatever came.
func (h *house) quiet(t *testing.T, method, target, body string) int {
	return h.quietFor(t, sigv4.Service, method, target, body)
}

func (h *house) quietFor(t *testing.T, service, method, target, body string) int {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	u, err := url.Parse("https://email.example.org" + target)
	if err != nil {
		return 0
	}
	r.URL = u
	signFor(t, service, r, []byte(body), time.Now())
	w := httptest.NewRecorder()
	h.door.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Errorf("%s %q %q: %d %s", method, target, body, w.Code, h.log)
	}
	h.log.Reset()
	h.desk.got, h.desk.texts = nil, nil
	return w.Code
}

// FuzzQuery: no form is too much for version 1.
func FuzzQuery(f *testing.F) {
	f.Add(rawForm)
	f.Add("Action=SendEmail&Source=a%40example.org&Destination.ToAddresses.member.1=b%40example.net&Message.Subject.Data=x&Message.Body.Text.Data=y&Tags.member.2.Name=a&Tags.member.2.Value=b")
	f.Add("Action=UpdateAccountSendingEnabled&Enabled=maybe")
	f.Add("Action.x=1&Action=GetSendQuota&=&a=b=c&..=&%")
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, form string) {
		h.quiet(t, http.MethodPost, "/", form)
	})
}

// FuzzTopics: no form is too much for SNS.
func FuzzTopics(f *testing.F) {
	f.Add("Action=CreateTopic&Name=news&Attributes.entry.1.key=SignatureVersion&Attributes.entry.1.value=2")
	f.Add("Action=Subscribe&TopicArn=arn%3Aaws%3Asns%3Alocal-1%3A000000000001%3Anews&Protocol=https&Endpoint=https%3A%2F%2Fa.example.com")
	f.Add("Action=Unsubscribe&SubscriptionArn=arn:aws:sns:local-1:000000000001:news:x:y")
	f.Add("Action=ListSubscriptions&NextToken=MSAA")
	h := newHouse(f)
	if _, err := h.rooms.Topics.Create(f.Context(), "000000000001", "news", 0); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, form string) {
		h.quietFor(t, sigv4.Topics, http.MethodPost, "/", form)
	})
}

// FuzzJSON: no body is too much for version 2, and binary data is found in any
// place where the reader of JSON would find it.
func FuzzJSON(f *testing.F) {
	f.Add(`{"Content":{"Raw":{"Data":"` + b64(rawText) + `"}}}`)
	f.Add(`{"Content":{"Simple":{"Subject":{"Data":"x"},"Body":{"Text":{"Data":"y"}},"Attachments":[{"RawContent":"eA==","FileName":"a"}]}},"FromEmailAddress":"a@example.org","Destination":{"ToAddresses":["b@example.net"]}}`)
	f.Add(`{"Content":{"raw":{"DATA":"\u0065A=="}}}`)
	f.Add(`[{"a":"\"` + "\\")
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, body string) {
		code := h.quiet(t, http.MethodPost, "/v2/email/outbound-emails", body)
		if code == http.StatusOK && !json.Valid([]byte(body)) {
			t.Errorf("%q was taken for JSON", body)
		}
	})
}

// FuzzPath: no path is too much for version 2.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/v2/email/account", "/v2/email/identities/a%40example.org/policies/x", "/v2/email/insights/x/", "/v2/..", "/v2/email/%2e%2e/account?x=%zz", "/v2/%"} {
		f.Add("GET", path)
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		if !strings.HasPrefix(path, "/v2/") || len(method) > 20 || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || method == "PUT" || method == "POST" {
			return
		}
		h.quiet(t, method, path, "")
	})
}
