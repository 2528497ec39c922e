package sigv4_test

import (
	"fmt"
	"testing"

	"github.com/sesame-mta/sesame/auth/sigv4"
)

func TestPasswordsAreThoseOfSES(t *testing.T) {
	const (
		some    = "some+secret+key"
		another = "another+secret+key"
		example = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	)
	tests := []struct{ secret, region, want string }{
		{some, "eu-central-1", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"},
		{another, "eu-central-1", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"},
		{some, "us-west-1", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"},
		{another, "us-west-1", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"},
		{some, "", "AnkqhOiWEcszZZzTMCQbOY1sPGoLFgMH9zhp4eNgSjo4"},
		{another, "", "Akwqr0Giwi8FsQFgW3DXWCC2DiiQ/jZjqLDWK8TeTBgL"},
		{example, "us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"},
		{example, "us-west-2", "BF2PynzbSCAjX08zhZZnP/kW+T9P5zs/1Er0pi5vTEmd"},
		{example, "eu-west-1", "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk"},
		{example, "ap-northeast-1", "BEBMrlH2tcrvRtSfkd6WbOlpfHSCPAV60ZayJ9ZqHS5c"},
		{example, "", "An60U4ZD3sd4fg+FvXUjayOipTt8LO4rUUmhpdX6ctDy"},
	}
	for _, tt := range tests {
		got := sigv4.SMTPPassword(tt.secret, tt.region)
		if tt.region == "" {
			got = sigv4.SMTPPasswordV2(tt.secret)
		}
		if got != tt.want {
			t.Errorf("%s in %q: got %s, want %s", tt.secret, tt.region, got, tt.want)
		}
	}
}

func ExampleSMTPPassword() {
	fmt.Println(sigv4.SMTPPassword("some+secret+key", "us-west-1"))
	// Output: BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj
}
