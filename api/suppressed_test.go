package api_test

import (
	"testing"
)

func TestAReasonThatIsNoneIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct{ method, target, body, member string }{
		{"GET", "/v2/email/suppression/addresses?Reason=", "", "reasons"},
		{"GET", "/v2/email/suppression/addresses?Reason=BOUNCE&Reason=UNSUBSCRIBE", "", "reasons"},
		{"PUT", "/v2/email/account/suppression", `{"SuppressedReasons": [""]}`, "suppressedReasons"},
		{"PUT", "/v2/email/account/suppression", `{"SuppressedReasons": ["bounce"]}`, "suppressedReasons"},
		{"PUT", "/v2/email/suppression/addresses", `{"EmailAddress": "b@example.net", "Reason": "x"}`, "reason"},
	} {
		got := h.call(tt.method, tt.target, tt.body)
		want := "1 validation error detected: Value at '" + tt.member + "' failed to satisfy constraint: Member must satisfy enum value set: [BOUNCE, COMPLAINT]"
		if got.status != 400 || got.message != want {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.target, tt.body, got.status, got.message)
		}
	}
}
