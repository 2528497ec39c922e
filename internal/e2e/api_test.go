//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// all is what a server has of which the API tells.
const all = `
[service]
domain = "return.example.com"
public_url = "https://mail.example.com"
[[source]]
name = "one"
address = "127.0.0.1"
pool = "fast"
`

// The official SDKs, with nothing of theirs changed, call all that is there, by
// TLS. Their mail arrives at a real Postfix.
func TestSDKs(t *testing.T) {
	eachSDK(t, "https", settings{listen: "public = \"127.0.0.1:0\"", delivery: all}, 3, apiTables())
}

// They send without TLS too, and in the profile that answers as Amazon SES does.
func TestSDKsInTheStrictProfile(t *testing.T) {
	eachSDK(t, "http", settings{top: `profile = "ses"`}, 2, apiSends)
}

// anymailSend is an application with django-anymail that sends by SES: once as it
// is, once as a template to two recipients.
const anymailSend = `
from django.conf import settings
import json, os
keys = json.loads(os.environ["KEYS"])
settings.configure(SECRET_KEY="x", EMAIL_BACKEND="anymail.backends.amazon_ses.EmailBackend", ANYMAIL={
    "AMAZON_SES_CLIENT_PARAMS": {"endpoint_url": keys["endpoint"], "region_name": keys["region"],
        "aws_access_key_id": keys["id"], "aws_secret_access_key": keys["secret"]}})
import django
django.setup()
from django.core.mail import EmailMessage, EmailMultiAlternatives
m = EmailMultiAlternatives("Hello from anymail", "text", "Sänder <sender@example.com>", ["recipient@example.net"], bcc=["hidden@example.net"])
m.attach_alternative("<p>html</p>", "text/html")
m.tags, m.metadata = ["welcome"], {"customer": 7}
m.send()
print(m.anymail_status.message_id)
import boto3
boto3.client("ses", **settings.ANYMAIL["AMAZON_SES_CLIENT_PARAMS"]).create_template(
    Template={"TemplateName": "greeting", "SubjectPart": "Hello to {{name}}", "TextPart": "Dear {{name}}"})
m = EmailMessage(None, None, "sender@example.com", ["recipient@example.net", "other@example.net"])
m.template_id, m.merge_data = "greeting", {"recipient@example.net": {"name": "Ann"}}
m.merge_global_data = {"name": "all"}
m.send()
for name in "recipient", "other":
    print(m.anymail_status.recipients[name + "@example.net"].message_id)
`

// Programs that are made for Amazon SES, with an endpoint and keys: the aws command
// of Debian by the lines of docs/howto/api.md, and django-anymail.
func TestProgramsThatAreMadeForSES(t *testing.T) {
	mx := receivingPostfix(t)
	port := freePort(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), listen: fmt.Sprintf("api = %q", "https://127.0.0.1:"+port)})
	a := newArrivals(t, mx, s.verify("example.com"))
	keys := s.sdkKeys("https://localhost:"+port, "default")
	is := func(t *testing.T, subject, id string) {
		t.Helper()
		if got := a.signed(t, subject); id == "" || !bytes.Contains(got, []byte("id "+id)) {
			t.Errorf("no id %q in\n%s", id, got)
		}
	}
	t.Run("the aws command", func(t *testing.T) {
		need(t, "/usr/bin/aws")
		text := strings.NewReplacer("https://mail.example.com:8443", keys.Endpoint, "AKIAEXAMPLE", keys.ID, "THE_OTHER", keys.Secret, "/path/to/ca.pem", s.door.ca,
			"aws --endpoint-url", "/usr/bin/aws --endpoint-url").Replace(recipe(t, "api.md", "aws.sh", ""))
		out := script(t, []string{"HOME=" + t.TempDir()}, "aws.sh", text, "sh", "aws.sh")
		d := json.NewDecoder(strings.NewReader(out))
		for _, subject := range []string{"Hello from the aws command", "Hello from version 1"} {
			var sent struct{ MessageID string }
			if err := d.Decode(&sent); err != nil {
				t.Errorf("no id in %s: %v", out, err)
			}
			is(t, subject, sent.MessageID)
		}
	})
	t.Run("django-anymail", func(t *testing.T) {
		needAnymail(t)
		text, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		out := program(t, "", []string{"AWS_CA_BUNDLE=" + s.door.ca, "KEYS=" + string(text)}, nil, "/usr/bin/python3", "-W", "ignore", "-c", anymailSend)
		ids := strings.Fields(out)
		if len(ids) != 3 {
			t.Fatalf("ids %q", ids)
		}
		for i, subject := range []string{"Hello from anymail", "Hello to Ann", "Hello to all"} {
			is(t, subject, ids[i])
		}
	})
}

// writeList writes the addresses that an account imports.
func writeList(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list.csv"), []byte("listed@example.net,COMPLAINT\nother@example.net,BOUNCE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eachSDK makes calls with each SDK at a server of its own that signs so often.
func eachSDK(t *testing.T, scheme string, o settings, signatures int, calls []apiCall) {
	mx := receivingPostfix(t)
	events, imports, endpoint := filepath.Join(t.TempDir(), "events"), t.TempDir(), scheme+"://127.0.0.1:"+freePort(t)
	o.port = portOf(t, mx.Addr)
	o.listen += fmt.Sprintf("\napi = %q", endpoint)
	o.delivery += fmt.Sprintf("\n[events]\nallow_networks = [\"127.0.0.0/8\"]\nfile_dir = %q\n[api]\nimport_dir = %q", events, imports)
	s := newSesame(t, o)
	l := newListener(t)
	for name := range sdks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, records := newCaller(t, s, endpoint, name, events, l)
			writeList(t, filepath.Join(imports, c.kept["account"]))
			for _, line := range calls {
				c.make(line)
			}
			checkDKIM(t, signatures, records, c.check(mx, o.top != ""))
		})
	}
}
