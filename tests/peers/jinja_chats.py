"""The conversations that every chat template is rendered with."""

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a place, today's or \"tomorrow's\".",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "City & country, e.g. Zürich"},
        "days": {"type": "integer", "description": "How many days", "minimum": 1, "maximum": 7},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "at": {"type": "array", "items": {"type": "number"}, "description": "Latitude, longitude"}},
        "required": ["city"]},
    "return": {"type": "object", "description": "What the service says"}}}
CLOCK = {"type": "function", "function": {
    "name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}, "required": []}}}

CHATS = {
    "system_user": {
        "messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "What is 2 + 2?"}],
        "add_generation_prompt": True, **TOKENS},
    "turns": {
        "messages": [
            {"role": "user", "content": "  Hi there. "}, {"role": "assistant", "content": "Hello!\n"},
            {"role": "user", "content": "Name a prime."},
            {"role": "assistant", "content": "<think>\nSmall ones will do.\n</think>\n\n7"},
            {"role": "user", "content": "Another?"}],
        "add_generation_prompt": True, **TOKENS},
    "tools": {
        "messages": [
            {"role": "system", "content": "Use the tools."}, {"role": "user", "content": "Weather in Zürich, 1.5 days?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call00001", "type": "function", "function": {
                    "name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "at": [47.4, 8.5], "unit": None}}}]},
            {"role": "tool", "tool_call_id": "call00001", "name": "get_weather",
             "content": "{\"temperature\": 21.5, \"sky\": \"clear\"}"}],
        "tools": [WEATHER, CLOCK], "add_generation_prompt": True, **TOKENS},
    "unicode": {
        "messages": [
            {"role": "user", "content": "Grüße! 你好 🌍\u200d🚀 \"quoted\" <tag> & \\n {{ not }} {% a %}\ttab"},
            {"role": "assistant", "content": "Привет\r\nمرحبا e\u0301"}, {"role": "user", "content": "\u3000ok\u00a0"}],
        "add_generation_prompt": True, **TOKENS},
    "no_prompt": {
        "messages": [
            {"role": "system", "content": "Think first."}, {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "Because.", "reasoning_content": "A reason is asked for."}],
        "enable_thinking": False, **TOKENS},
}
