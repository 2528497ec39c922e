package api_test

import (
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/api"
)

func TestACredentialForSomeSendersOrRecipientsOnlySends(t *testing.T) {
	const denied = "This credential is not authorized to perform: "
	for name, k := range map[string]keys{
		"for all":                 {},
		"for a sender":            {from: []string{"*@example.org"}},
		"for recipients' domains": {to: []string{"example.net"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(o *api.Options) { o.Keys = k })
			for _, tt := range []struct{ method, target, body, operation string }{
				{"POST", "/", "Action=GetSendQuota", ""},
				{"POST", "/", "Action=SendRawEmail&RawMessage.Data=RnJvbTogYUBleGFtcGxlLm9yZwpUbzogYkBleGFtcGxlLm5ldAoK", ""},
				{"GET", "/v2/email/account", "", ""},
				{"POST", "/", "Action=UpdateAccountSendingEnabled&Enabled=true", "UpdateAccountSendingEnabled"},
				{"PUT", "/v2/email/account/sending", `{"SendingEnabled":true}`, "PutAccountSendingAttributes"},
				{"GET", "/v2/email/suppression/addresses", "", "ListSuppressedDestinations"},
			} {
				a := h.call(tt.method, tt.target, tt.body, "Content-Type", "application/x-www-form-urlencoded")
				if free := k.from == nil && k.to == nil; free || tt.operation == "" {
					if a.status != 200 {
						t.Errorf("%s %s: %d %s", tt.target, tt.body, a.status, a.message)
					}
				} else if a.status != 403 || !strings.HasPrefix(a.code, "AccessDenied") || a.message != denied+tt.operation {
					t.Errorf("%s %s: %d %s: %s", tt.target, tt.body, a.status, a.code, a.message)
				}
			}
		})
	}
}
