//! Every recipe is what its client reads.

use super::*;

#[test]
fn every_client_gets_url_and_key_where_it_wants_them() {
    let recipes = Recipes {
        url: "https://mcp.example.com/mcp",
        key: "wgl_KEY",
    };
    insta::assert_snapshot!(recipes, @r#"
    Claude Code: run
      claude mcp add --transport http wicketgate https://mcp.example.com/mcp --header "Authorization: Bearer wgl_KEY"

    Cursor: ~/.cursor/mcp.json
      {
        "mcpServers": {
          "wicketgate": {
            "url": "https://mcp.example.com/mcp",
            "headers": {
              "Authorization": "Bearer wgl_KEY"
            }
          }
        }
      }

    VS Code: .vscode/mcp.json (asks for the key once and keeps it out of the file)
      {
        "inputs": [
          {
            "type": "promptString",
            "id": "wicketgate-key",
            "description": "License key",
            "password": true
          }
        ],
        "servers": {
          "wicketgate": {
            "type": "http",
            "url": "https://mcp.example.com/mcp",
            "headers": {
              "Authorization": "Bearer ${input:wicketgate-key}"
            }
          }
        }
      }

    Gemini CLI: ~/.gemini/settings.json
      {
        "mcpServers": {
          "wicketgate": {
            "httpUrl": "https://mcp.example.com/mcp",
            "headers": {
              "Authorization": "Bearer wgl_KEY"
            }
          }
        }
      }

    Clients that only start programs: run
      npx -y mcp-remote https://mcp.example.com/mcp --header "Authorization: Bearer wgl_KEY"
    "#);
}

#[test]
fn plain_http_is_said_to_the_one_client_that_asks() {
    let recipes = Recipes {
        url: "http://127.0.0.1:8080/mcp",
        key: "wgl_KEY",
    };
    assert!(recipes.to_string().ends_with(" --allow-http"));
}
