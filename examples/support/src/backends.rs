/// Where Redis is, for the programs that can use one: flatten it into the program's own arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct RedisArgs {
    /// Redis, as redis://HOST:PORT; the program works without one
    #[arg(long, env, value_name = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
}

impl RedisArgs {
    /// The URL, when there is one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        // Set to nothing is not set.
        self.redis_url.as_deref().filter(|url| !url.is_empty())
    }
}
