package e2e_test

const topics = "sns"

// apiTopics are calls about the topics that destinations and identities name, and
// who listens to them.
var apiTopics = []apiCall{
	{service: topics, op: "CreateTopic", in: `{"Name": "events"}`, want: `{"TopicArn": "*"}`, keep: "topic=TopicArn"},
	{service: topics, op: "CreateTopic", in: `{"Name": "events"}`, want: `{"TopicArn": "$topic"}`},
	{service: topics, op: "CreateTopic", in: `{"Name": "no name"}`, want: "InvalidParameter: "},
	{service: topics, op: "ListTopics", in: `{}`, want: `{"Topics": [{"TopicArn": "$topic"}]}`},
	{service: topics, op: "GetTopicAttributes", in: `{"TopicArn": "$topic"}`, want: `{"Attributes": {"TopicArn": "$topic", "Owner": "$account"}}`},
	{service: topics, op: "GetTopicAttributes", in: `{"TopicArn": "arn:aws:sns:local-1:$account:absent"}`, want: "NotFound: "},
	{service: topics, op: "Subscribe", in: `{"TopicArn": "$topic", "Protocol": "http", "Endpoint": "$hook/$c"}`, want: `{"SubscriptionArn": "pending confirmation"}`},
	{service: topics, op: "Subscribe", in: `{"TopicArn": "$topic", "Protocol": "sms", "Endpoint": "+15550100"}`, want: "InvalidParameter: "},
	{service: hook, op: "SubscriptionConfirmation", keep: "token=Token"},
	{service: topics, op: "ConfirmSubscription", in: `{"TopicArn": "$topic", "Token": "nonsense"}`, want: "InvalidParameter: "},
	{service: topics, op: "ConfirmSubscription", in: `{"TopicArn": "$topic", "Token": "$token"}`, want: `{"SubscriptionArn": "*"}`, keep: "subscription=SubscriptionArn"},
	{service: topics, op: "SetSubscriptionAttributes", in: `{"SubscriptionArn": "$subscription", "AttributeName": "RawMessageDelivery", "AttributeValue": "false"}`, want: `{}`},
	{service: topics, op: "GetSubscriptionAttributes", in: `{"SubscriptionArn": "$subscription"}`,
		want: `{"Attributes": {"SubscriptionArn": "$subscription", "TopicArn": "$topic", "PendingConfirmation": "false", "RawMessageDelivery": "false"}}`},
	{service: topics, op: "ListSubscriptions", in: `{}`,
		want: `{"Subscriptions": [{"SubscriptionArn": "$subscription", "TopicArn": "$topic", "Owner": "$account", "Protocol": "http", "Endpoint": "$hook/$c"}]}`},
	{service: topics, op: "ListSubscriptionsByTopic", in: `{"TopicArn": "$topic"}`, want: `{"Subscriptions": [{"SubscriptionArn": "$subscription"}]}`},
}

// apiTopicsEnd are the last calls about topics.
var apiTopicsEnd = []apiCall{
	{service: topics, op: "Unsubscribe", in: `{"SubscriptionArn": "$subscription"}`, want: `{}`},
	{service: topics, op: "ListSubscriptionsByTopic", in: `{"TopicArn": "$topic"}`, want: `{"Subscriptions": []}`},
	{service: topics, op: "DeleteTopic", in: `{"TopicArn": "$topic"}`, want: `{}`},
	{service: topics, op: "DeleteTopic", in: `{"TopicArn": "$topic"}`, want: `{}`},
	{service: topics, op: "ListTopics", in: `{}`, want: `{"Topics": []}`},
}
