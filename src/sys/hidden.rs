//! Functions under names that C knows and no other library of the process sees.

/// The instruction that goes on in another function.
#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmp {function}"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    () => {
        "b {function}"
    };
}
pub(crate) use jump;

/// Gives a name to some instructions. `$section` is the section of those with such names, to which the
/// name is added; `$operand` what the instructions name.
macro_rules! named_code {
    ($section:literal, $name:literal, [$($code:tt)*], $($operand:tt)*) => {
        core::arch::global_asm!(
            concat!(".pushsection ", $section, $name, ",\"ax\",@progbits"),
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            $($code)*,
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
            $($operand)*
        );
    };
}
pub(crate) use named_code;

/// Gives functions hidden names.
macro_rules! hidden_names {
    ($section:literal; $($name:literal => $function:path;)*) => {$(
        $crate::sys::hidden::named_code!(
            $section, $name, [$crate::sys::hidden::jump!()], function = sym $function,
        );
    )*};
}
pub(crate) use hidden_names;
